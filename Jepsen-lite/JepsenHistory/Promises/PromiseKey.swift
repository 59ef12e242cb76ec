/// The operations of one key, ready to be asked which of two values is the newer one.
///
/// All answers err on the side of the system: one write counts as later than another only where
/// it began after the other had ended. Where a value was written more than once, a read may have
/// seen any of those writes that had begun by its end.
struct PromiseKey {
  struct Write {
    var start: UInt64
    /// `UInt64.max`: the outcome is not known.
    var end: UInt64
    /// The position in the history; -1: what stood there before the history began.
    var source: Int
  }

  /// The writes of one value by start, and up to each the one that ends last.
  private struct Candidates {
    var starts: [UInt64] = []
    var last: [Write] = []
  }

  let key: String
  /// Positions in the history, by start.
  let operations: [Int]
  /// Acknowledged writes, deletes and compare-and-sets by start.
  private(set) var acknowledged: [Write] = []
  /// Acknowledged deletes.
  private(set) var deletes: [Write] = []
  /// Reads that were answered, by start.
  private(set) var reads: [Int] = []
  /// Adds and appends by start, those with unknown outcomes too.
  private(set) var additions: [Int] = []
  private var candidates: [HistoryValue?: Candidates] = [:]

  init(
    _ key: String, _ operations: [Int], _ history: [HistoryOperation], initial: HistoryValue?
  ) {
    self.key = key
    self.operations = operations
    note(Write(start: 0, end: 0, source: -1), of: initial)
    for source in operations {
      let operation = history[source]
      switch operation.outcome {
      case .refused, .mismatch: continue
      case .ok, .unknown: break
      }
      let isKnown = operation.outcome == .ok
      let write = Write(
        start: operation.startNanoseconds,
        end: isKnown ? operation.endNanoseconds ?? UInt64.max : UInt64.max, source: source)
      switch operation.kind {
      case .read: if isKnown { reads.append(source) }
      case .write, .cas:
        isOnlyAdded = false
        note(write, of: operation.value)
        if isKnown { acknowledged.append(write) }
      case .delete:
        isOnlyAdded = false
        note(write, of: nil)
        if isKnown {
          acknowledged.append(write)
          deletes.append(write)
        }
      case .add, .append: additions.append(source)
      case .transfer, .scan, .generate, .acquire, .release: break
      }
    }
    if additions.isEmpty { isOnlyAdded = false }
  }

  /// Whether the key is read and written as a whole.
  var isRegister: Bool { additions.isEmpty }

  /// Whether it is a set, a list or a counter that is never written or deleted as a whole.
  private(set) var isOnlyAdded = true

  private mutating func note(_ write: Write, of value: HistoryValue?) {
    var known = candidates[value] ?? Candidates()
    let last = known.last.last.map { $0.end >= write.end ? $0 : write } ?? write
    known.starts.append(write.start)
    known.last.append(last)
    candidates[value] = known
  }

  /// Of the writes of a value that had begun by then, the one that ends last; `nil`: nobody had
  /// begun to write it.
  func lastWrite(of value: HistoryValue?, by time: UInt64) -> Write? {
    guard let known = candidates[value] else { return nil }
    let count = known.starts.countSorted { $0 <= time }
    return count == 0 ? nil : known.last[count - 1]
  }

  /// When a value was first written, at the earliest.
  func firstStart(of value: HistoryValue?) -> UInt64? { candidates[value]?.starts.first }

  /// Splits a history by key.
  static func split(
    _ history: [HistoryOperation], initial: HistoryValue? = nil
  ) -> [PromiseKey] {
    var positions: [ExactText: [Int]] = [:]
    for (source, operation) in history.enumerated() {
      positions[ExactText(operation.key), default: []].append(source)
    }
    return positions.sorted { $0.key < $1.key }.map { key, sources in
      let byStart = sources.sorted {
        let (first, second) = (history[$0].startNanoseconds, history[$1].startNanoseconds)
        return first != second ? first < second : $0 < $1
      }
      return PromiseKey(key.text, byStart, history, initial: initial)
    }
  }
}

/// Writes by their end, to find what had been acknowledged before an instant.
struct AcknowledgedBefore {
  private let ends: [UInt64]
  /// Up to each end, the write that began last.
  private var newest: [PromiseKey.Write] = []

  init(_ writes: [PromiseKey.Write]) {
    let byEnd = writes.sorted { $0.end < $1.end }
    ends = byEnd.map(\.end)
    for write in byEnd {
      newest.append(newest.last.map { $0.start >= write.start ? $0 : write } ?? write)
    }
  }

  /// Of the writes that had ended before then, the one that began last.
  func newest(before time: UInt64) -> PromiseKey.Write? {
    let count = ends.countSorted { $0 < time }
    return count == 0 ? nil : newest[count - 1]
  }
}

extension Array {
  /// How many elements at the front hold to what only elements at the front hold to.
  func countSorted(_ holds: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if holds(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
