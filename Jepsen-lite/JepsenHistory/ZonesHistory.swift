/// One key's operations in the form that the zones are computed from: values numbered from 0,
/// times moved up by one so that 0 is left for "before everything".
struct ZoneHistory {
  enum Kind: UInt8 { case read, write, cas, mismatch, nothing }

  struct Operation {
    var kind: Kind
    var isUnknown: Bool
    /// Read, written, or put in place by a cas; what a mismatch did not find.
    var value: Int32
    /// What a cas replaced.
    var expected: Int32
    var start: UInt64
    /// `UInt64.max`: never.
    var end: UInt64
  }

  static let never = UInt64.max

  private(set) var operations: [Operation] = []
  private(set) var valueCount = 0
  private(set) var initialValue: Int32 = 0
  private(set) var mismatchCount = 0

  init(_ steps: [LinearizabilityStep], initial: Int64) throws(ZoneEnd) {
    guard steps.count < Int(Int32.max) / 4 else { throw .notApplicable("too many operations") }
    let numbers = ZoneNumbers(steps, initial: initial)
    valueCount = numbers.count
    initialValue = numbers[initial]
    operations.reserveCapacity(steps.count)
    for step in steps {
      let end = step.end ?? Self.never
      guard step.start < Self.never - 1 else { throw .notApplicable("times out of range") }
      guard step.start <= end else { throw .notApplicable("an operation ends before it starts") }
      var operation = Operation(
        kind: .nothing, isUnknown: step.end == nil, value: 0, expected: 0, start: step.start + 1,
        end: end == Self.never ? end : end + 1)
      switch step.action {
      case .read(let value):
        operation.kind = step.end == nil ? .nothing : .read
        operation.value = numbers[value]
      case .write(let value):
        operation.kind = .write
        operation.value = numbers[value]
      case .compareAndSet(let expected, let new):
        // One that changes nothing is a read.
        operation.kind = expected != new ? .cas : step.end == nil ? .nothing : .read
        operation.value = numbers[new]
        operation.expected = numbers[expected]
      case .differs(let expected):
        operation.kind = step.end == nil ? .nothing : .mismatch
        operation.value = numbers[expected]
        if step.end != nil { mismatchCount += 1 }
      case .add, .addGiving:
        throw .notApplicable("not a register")
      }
      operations.append(operation)
    }
  }

  /// The positions of the operations by rising start.
  var byStart: [Int32] {
    var isSorted = true
    for position in operations.indices.dropFirst()
    where operations[position].start < operations[position - 1].start {
      isSorted = false
      break
    }
    let positions = (0..<Int32(operations.count)).map { $0 }
    return isSorted ? positions : ZoneSort.sorted(positions) { operations[Int($0)].start }
  }
}

/// How a decision ends early.
enum ZoneEnd: Error {
  case violated(ZoneContradiction)
  case notApplicable(String)
}

/// What every order would have to meet and none can. Positions are those of the given steps.
struct ZoneContradiction {
  enum Kind {
    /// A read of, or a cas on, a value that nothing put there.
    case neverWritten(Int)
    /// Two compare-and-sets that both replaced the one value.
    case replacedTwice(Int, Int)
    /// Compare-and-sets each of which needs the one before it.
    case circle([Int])
    /// `late` ended before `early` started, although its value comes later in a chain (or is what
    /// was yet to be written).
    case order(early: Int, late: Int)
    /// Two blocks: each has an operation that ended before one of the other started. `nil`: the
    /// initial value, which was there before everything.
    case blocks(ended: Int?, beforeStartOf: Int, and: Int, beforeStartOfOwn: Int)
    /// A mismatch while its value stood: after one operation and before another. `nil`: the
    /// initial value was there from the beginning.
    case mismatch(Int, after: Int?, before: Int)
    /// A mismatch that other blocks leave no position.
    case squeezed(Int)
    /// A mismatch after a value that nothing can have replaced by then.
    case unfollowed(Int, after: Int?)
  }

  var kind: Kind
  var positions: [Int]
}

/// Numbers for values, from 0: by subtraction where they lie close together, else by their rank.
private struct ZoneNumbers {
  private var lowest: Int64 = 0
  private var ranks: [Int64] = []
  private(set) var count = 0

  init(_ steps: [LinearizabilityStep], initial: Int64) {
    lowest = initial
    var highest = initial
    for step in steps {
      Self.forEachValue(step.action) {
        lowest = min(lowest, $0)
        highest = max(highest, $0)
      }
    }
    let (span, isTooLong) = highest.subtractingReportingOverflow(lowest)
    if !isTooLong && span < steps.count * 4 + 64 {
      count = Int(span) + 1
      return
    }
    var all = [initial]
    for step in steps { Self.forEachValue(step.action) { all.append($0) } }
    all.sort()
    ranks.reserveCapacity(all.count)
    for value in all where ranks.last != value { ranks.append(value) }
    count = ranks.count
  }

  @inline(__always)
  private static func forEachValue(
    _ action: LinearizabilityStep.Action, _ body: (Int64) -> Void
  ) {
    switch action {
    case .read(let value), .write(let value), .differs(let value): body(value)
    case .compareAndSet(let expected, let new):
      body(expected)
      body(new)
    case .add, .addGiving: break
    }
  }

  subscript(value: Int64) -> Int32 {
    if ranks.isEmpty { return Int32(truncatingIfNeeded: value - lowest) }
    var low = 0
    var high = ranks.count
    while low < high {
      let middle = (low + high) / 2
      if ranks[middle] < value { low = middle + 1 } else { high = middle }
    }
    return Int32(low)
  }
}
