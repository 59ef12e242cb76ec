/// Which writes took effect, and how successful compare-and-sets tie values into chains.
///
/// A stage is a value while it stands: what put it there, then its reads. A block is a chain of
/// stages, each but the first put there by a cas of the one before: in any order that explains the
/// history a block is contiguous, but for mismatches, and its stages stand in this order.
struct ZoneChains {
  static let none: Int32 = -1
  static let initial: Int32 = -2

  /// By value: the operation that put it there.
  private(set) var installer: [Int32]
  /// By value: the cas that took effect on it.
  private(set) var successor: [Int32]
  /// By value: the position of its stage in `stages`, or `none` where it was never the state.
  private(set) var rank: [Int32]
  /// Values, block by block, in their order.
  private(set) var stages: [Int32] = []
  private(set) var firstStage: [Int32] = []
  /// By stage: its block.
  private(set) var blockOfStage: [Int32] = []

  var blockCount: Int { firstStage.count - 1 }

  init(_ history: ZoneHistory) throws(ZoneEnd) {
    installer = Array(repeating: Self.none, count: history.valueCount)
    successor = installer
    rank = installer
    try findInstallers(history)
    let isObserved = try findEffective(history)
    try layOut(history, isObserved)
  }

  func isLastOfBlock(_ stage: Int) -> Bool {
    stage + 1 == stages.count || blockOfStage[stage + 1] != blockOfStage[stage]
  }

  private mutating func findInstallers(_ history: ZoneHistory) throws(ZoneEnd) {
    installer[Int(history.initialValue)] = Self.initial
    for position in history.operations.indices {
      let operation = history.operations[position]
      guard operation.kind == .write || operation.kind == .cas else { continue }
      guard installer[Int(operation.value)] == Self.none else {
        throw .notApplicable("a value was written twice")
      }
      installer[Int(operation.value)] = Int32(position)
    }
  }

  /// An unknown write or cas took effect if its value was seen, by a read or by a cas that itself
  /// took effect.
  private mutating func findEffective(_ history: ZoneHistory) throws(ZoneEnd) -> [Bool] {
    var isObserved = Array(repeating: false, count: history.valueCount)
    var open: [Int32] = []
    for position in history.operations.indices {
      let operation = history.operations[position]
      switch operation.kind {
      case .read:
        let value = Int(operation.value)
        if installer[value] == Self.none {
          throw .violated(ZoneContradiction(kind: .neverWritten(position), positions: [position]))
        }
        if !isObserved[value] {
          isObserved[value] = true
          open.append(operation.value)
        }
      case .cas where !operation.isUnknown:
        try replace(operation.expected, Int32(position), history)
        if !isObserved[Int(operation.expected)] {
          isObserved[Int(operation.expected)] = true
          open.append(operation.expected)
        }
      case .cas, .write, .mismatch, .nothing: break
      }
    }
    while let value = open.popLast() {
      let position = installer[Int(value)]
      guard position >= 0 else { continue }
      let operation = history.operations[Int(position)]
      guard operation.kind == .cas, operation.isUnknown else { continue }
      try replace(operation.expected, position, history)
      if !isObserved[Int(operation.expected)] {
        isObserved[Int(operation.expected)] = true
        open.append(operation.expected)
      }
    }
    return isObserved
  }

  private mutating func replace(
    _ value: Int32, _ position: Int32, _ history: ZoneHistory
  ) throws(ZoneEnd) {
    if installer[Int(value)] == Self.none {
      throw .violated(
        ZoneContradiction(
          kind: .neverWritten(Int(position)),
          positions: ZoneProof.withObservers([Int(position)], history)))
    }
    if successor[Int(value)] != Self.none {
      let first = Int(successor[Int(value)])
      throw .violated(
        ZoneContradiction(
          kind: .replacedTwice(first, Int(position)),
          positions: ZoneProof.withObservers([first, Int(position)], history)))
    }
    successor[Int(value)] = position
  }

  private mutating func layOut(_ history: ZoneHistory, _ isObserved: [Bool]) throws(ZoneEnd) {
    stages.reserveCapacity(history.valueCount)
    blockOfStage.reserveCapacity(history.valueCount)
    var effective = 1
    addBlock(from: history.initialValue, history)
    for position in history.operations.indices {
      let operation = history.operations[position]
      guard operation.kind == .write || operation.kind == .cas else { continue }
      guard !operation.isUnknown || isObserved[Int(operation.value)] else { continue }
      effective += 1
      if operation.kind == .write { addBlock(from: operation.value, history) }
    }
    firstStage.append(Int32(stages.count))
    if stages.count < effective { try refuseCircle(history, isObserved) }
  }

  private mutating func addBlock(from value: Int32, _ history: ZoneHistory) {
    let block = Int32(firstStage.count)
    firstStage.append(Int32(stages.count))
    var value = value
    while true {
      rank[Int(value)] = Int32(stages.count)
      stages.append(value)
      blockOfStage.append(block)
      guard successor[Int(value)] != Self.none else { return }
      value = history.operations[Int(successor[Int(value)])].value
    }
  }

  /// Compare-and-sets that stand in no chain with a beginning need each other first.
  private func refuseCircle(_ history: ZoneHistory, _ isObserved: [Bool]) throws(ZoneEnd) {
    for position in history.operations.indices {
      let operation = history.operations[position]
      guard operation.kind == .cas, rank[Int(operation.value)] == Self.none,
        !operation.isUnknown || isObserved[Int(operation.value)]
      else { continue }
      var circle: [Int] = []
      var value = operation.value
      repeat {
        let next = Int(successor[Int(value)])
        circle.append(next)
        value = history.operations[next].value
      } while value != operation.value
      throw .violated(
        ZoneContradiction(
          kind: .circle(circle), positions: ZoneProof.withObservers(circle, history)))
    }
  }
}
