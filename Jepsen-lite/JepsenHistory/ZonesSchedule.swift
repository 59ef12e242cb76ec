/// Puts the blocks in an order that respects time, so that each block that a mismatch waits for
/// is followed by another soon enough.
///
/// Blocks go in the order in which their zones end, which is always an order where no two
/// contradict each other. It leaves each block free for as long as possible, so that there are
/// many to choose from when one must follow at once.
struct ZoneSchedule {
  /// Which of the blocks that wait for a follower go before one that is due and does not wait.
  /// None is always right, so where one fails the next is tried.
  enum Early: CaseIterable {
    /// Those that would be due before another that does not wait.
    case dueNext
    /// All that may.
    case all
    case none
  }

  /// A block, or the one's complement of the position of a write or cas with an unknown outcome
  /// that nobody saw and a mismatch needs.
  private(set) var order: [Int32] = []
  /// A block that no other could follow in time.
  private(set) var stuckBlock: Int?

  private let early: Early
  private let blocks: ZoneBlocks
  private let mismatches: ZoneMismatches
  private var byZoneEnd: [Int32]
  private var byFirstEnd: [Int32] = []
  private var isDone: [Bool] = []
  private var nextByFirstEnd = 0

  /// How many blocks are looked at for one that can follow at once. Those that can are under way
  /// at that time, so there are hardly more than clients.
  private static let maximumLook = 256

  init(
    _ history: ZoneHistory, _ chains: ZoneChains, _ blocks: ZoneBlocks,
    _ mismatches: ZoneMismatches, _ early: Early
  ) {
    self.early = early
    self.blocks = blocks
    self.mismatches = mismatches
    let all = (0..<Int32(blocks.count)).map { $0 }
    let forwardFirst =
      all.filter { blocks.isForward(Int($0)) } + all.filter { !blocks.isForward(Int($0)) }
    byZoneEnd = ZoneSort.sorted(forwardFirst) {
      max(blocks.firstEnd[Int($0)], blocks.lastStart[Int($0)])
    }
    guard mismatches.areAnyWaiting else {
      order = byZoneEnd
      return
    }
    byFirstEnd = ZoneSort.sorted(all) { blocks.firstEnd[Int($0)] }
    isDone = Array(repeating: false, count: blocks.count)
    order.reserveCapacity(blocks.count)
    run(ZoneSpares(history, chains, takesMissed: early == .none))
  }

  private func waits(_ block: Int) -> Bool {
    mismatches.mustBeFollowedBy[block] != ZoneHistory.never
  }

  private var leastFirstEnd: UInt64 {
    mutating get {
      while nextByFirstEnd < byFirstEnd.count && isDone[Int(byFirstEnd[nextByFirstEnd])] {
        nextByFirstEnd += 1
      }
      return nextByFirstEnd < byFirstEnd.count
        ? blocks.firstEnd[Int(byFirstEnd[nextByFirstEnd])] : ZoneHistory.never
    }
  }

  private mutating func put(_ block: Int) {
    order.append(Int32(block))
    isDone[block] = true
  }

  private mutating func run(_ spares: ZoneSpares) {
    var spares = spares
    var next = 0
    // The block that stands last, and when another must have begun.
    var last = -1
    var deadline = ZoneHistory.never
    while true {
      while next < byZoneEnd.count && isDone[Int(byZoneEnd[next])] { next += 1 }
      let due = next < byZoneEnd.count ? Int(byZoneEnd[next]) : -1
      if deadline != ZoneHistory.never && (due < 0 || blocks.release[due] > deadline) {
        if let spare = spares.next(
          after: last, startedBy: deadline, least: leastFirstEnd, isOwn: true)
        {
          order.append(~spare)
          deadline = ZoneHistory.never
          last = -1
        } else if let block = moveBack(
          after: last, by: deadline, before: due < 0 ? ZoneHistory.never : blocks.release[due])
        {
          last = block
          deadline = mismatches.mustBeFollowedBy[block]
        } else if let block = another(after: next, releasedBy: deadline) {
          put(block)
          last = block
          deadline = mismatches.mustBeFollowedBy[block]
        } else if let spare = spares.next(
          after: last, startedBy: deadline, least: leastFirstEnd, isOwn: false)
        {
          order.append(~spare)
          deadline = ZoneHistory.never
          last = -1
        } else {
          stuckBlock = stuckBlock ?? last
          deadline = ZoneHistory.never
        }
        continue
      }
      guard due >= 0 else { return }
      var block = due
      if !waits(due), let early = waitingAfter(next, releasedBy: deadline) { block = early }
      put(block)
      last = block
      deadline = mismatches.mustBeFollowedBy[block]
    }
  }

  /// A block that waits for a follower, and must go before any other that does not wait: it goes
  /// now, and the one that is due follows it.
  private mutating func waitingAfter(_ due: Int, releasedBy deadline: UInt64) -> Int? {
    guard early != .none else { return nil }
    var position = due + 1
    let least = leastFirstEnd
    let look = early == .all ? 64 : Self.maximumLook
    while position < byZoneEnd.count && position < due + look {
      let block = Int(byZoneEnd[position])
      position += 1
      if isDone[block] { continue }
      guard waits(block) else {
        if early == .all { continue }
        return nil
      }
      if blocks.lastStart[block] <= least && blocks.release[block] <= deadline { return block }
    }
    return nil
  }

  /// A block that stands already, and can as well stand after the last one: one that waits for
  /// nothing, or can wait for the next.
  private mutating func moveBack(
    after last: Int, by deadline: UInt64, before next: UInt64
  ) -> Int? {
    var latest = blocks.lastStart[last]
    var index = order.count - 2
    while index > 0 && index >= order.count - Self.maximumLook && order[index] >= 0 {
      let block = Int(order[index])
      let previous = Int(order[index - 1])
      if blocks.firstEnd[block] >= latest, blocks.release[block] <= deadline,
        mismatches.mustBeFollowedBy[block] >= next,
        previous < 0
          || mismatches.mustBeFollowedBy[previous] >= blocks.release[Int(order[index + 1])]
      {
        order.remove(at: index)
        order.append(Int32(block))
        return block
      }
      latest = max(latest, blocks.lastStart[block])
      index -= 1
    }
    return nil
  }

  /// A block that may go next and can begin by the deadline.
  private mutating func another(after due: Int, releasedBy deadline: UInt64) -> Int? {
    let least = leastFirstEnd
    var position = due + 1
    while position < byZoneEnd.count && position < due + Self.maximumLook {
      let block = Int(byZoneEnd[position])
      position += 1
      if !isDone[block] && blocks.lastStart[block] <= least && blocks.release[block] <= deadline {
        return block
      }
    }
    return nil
  }
}

/// Writes and compare-and-sets with unknown outcomes that nobody saw: they may have happened, and
/// are used only where a mismatch has no other explanation.
struct ZoneSpares {

  private let history: ZoneHistory
  private var writes: [Int32] = []
  private var nextWrite = 0
  /// By block: the spare cas on its last value that started first.
  private var own: [Int32] = []

  init(_ history: ZoneHistory, _ chains: ZoneChains, takesMissed: Bool) {
    self.history = history
    own = Array(repeating: -1, count: chains.blockCount)
    var isMissed = Array(repeating: false, count: history.valueCount)
    for operation in history.operations where operation.kind == .mismatch {
      isMissed[Int(operation.value)] = true
    }
    var found: [Int32] = []
    for (position, operation) in history.operations.enumerated() where operation.isUnknown {
      guard operation.kind == .write || operation.kind == .cas,
        chains.rank[Int(operation.value)] == ZoneChains.none
      else { continue }
      if operation.kind == .write {
        if takesMissed || !isMissed[Int(operation.value)] { found.append(Int32(position)) }
        continue
      }
      let stage = Int(chains.rank[Int(operation.expected)])
      guard stage >= 0, chains.isLastOfBlock(stage) else { continue }
      let block = Int(chains.blockOfStage[stage])
      if own[block] < 0 || operation.start < history.operations[Int(own[block])].start {
        own[block] = Int32(position)
      }
    }
    writes = ZoneSort.sorted(found) { history.operations[Int($0)].start }
  }

  /// `least`: the least end of what stands later, which the spare may not start after.
  mutating func next(
    after block: Int, startedBy deadline: UInt64, least: UInt64, isOwn: Bool
  ) -> Int32? {
    if isOwn {
      guard block >= 0, own[block] >= 0 else { return nil }
      let start = history.operations[Int(own[block])].start
      return start <= deadline && start <= least ? own[block] : nil
    }
    guard nextWrite < writes.count else { return nil }
    let start = history.operations[Int(writes[nextWrite])].start
    guard start <= deadline && start <= least else { return nil }
    nextWrite += 1
    return writes[nextWrite - 1]
  }
}
