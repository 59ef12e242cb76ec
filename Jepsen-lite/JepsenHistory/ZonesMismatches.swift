/// What the compare-and-sets that found something else ask of the blocks.
///
/// A mismatch on `e` must stand before what put `e` there, or after what replaced it. Which of the
/// two is possible often follows from its own block alone, and then costs nothing, unless `e` is
/// its block's last value: then another block must begin before the mismatch ends.
struct ZoneMismatches {
  private struct Open {
    var position: Int32
    var block: Int32
    var isLast: Bool
  }

  /// By block: the least end of the mismatches that wait for the block to be followed by another.
  private(set) var mustBeFollowedBy: [UInt64]
  /// By block: a mismatch that ends then.
  private(set) var whoWaits: [Int32]
  private(set) var areAnyWaiting = false
  private var open: [Open] = []

  var areAnyOpen: Bool { !open.isEmpty }

  init(
    _ history: ZoneHistory, _ chains: ZoneChains, _ blocks: ZoneBlocks
  ) throws(ZoneEnd) {
    mustBeFollowedBy = Array(repeating: ZoneHistory.never, count: blocks.count)
    whoWaits = Array(repeating: -1, count: blocks.count)
    guard history.mismatchCount > 0 else { return }
    for (position, operation) in history.operations.enumerated() where operation.kind == .mismatch {
      let stage = Int(chains.rank[Int(operation.value)])
      guard stage >= 0 else { continue }
      let isAfterInstaller = blocks.earliestEndFrom[stage] < operation.start
      let isBeforeEnd = operation.end < blocks.latestStartUpTo[stage]
      let block = Int(chains.blockOfStage[stage])
      let isLast = chains.isLastOfBlock(stage)
      switch (isAfterInstaller, isBeforeEnd) {
      case (true, true): throw .violated(ZoneProof(history, chains).mismatch(position))
      case (true, false): if isLast { wait(Int32(position), block, operation.end) }
      case (false, true): break
      case (false, false):
        open.append(Open(position: Int32(position), block: Int32(block), isLast: isLast))
      }
    }
  }

  private mutating func wait(_ position: Int32, _ block: Int, _ end: UInt64) {
    areAnyWaiting = true
    guard end < mustBeFollowedBy[block] || whoWaits[block] < 0 else { return }
    mustBeFollowedBy[block] = end
    whoWaits[block] = position
  }

  /// Chooses a side for the mismatches that their own block leaves open. One that stands before
  /// moves the block's last start up to its own start; one that stands after moves the first end
  /// down to its own end. Where the forward zones leave one side only, that is no choice; where
  /// they leave none, the history is violated.
  mutating func choose(
    _ history: ZoneHistory, _ blocks: inout ZoneBlocks, forward: [Int32], prefersAfter: Bool
  ) -> (position: Int, around: [Int])? {
    let byBlock = ZoneSort.sorted((0..<Int32(open.count)).map { $0 }) {
      UInt64(open[Int($0)].block)
    }
    var from = 0
    while from < byBlock.count {
      let block = open[Int(byBlock[from])].block
      var to = from
      while to < byBlock.count && open[Int(byBlock[to])].block == block { to += 1 }
      let group = byBlock[from..<to].map { open[Int($0)] }
      if let stuck = decide(
        group, Int(block), history, &blocks, forward: forward, prefersAfter: prefersAfter)
      {
        return stuck
      }
      from = to
    }
    return nil
  }

  private mutating func decide(
    _ group: [Open], _ block: Int, _ history: ZoneHistory, _ blocks: inout ZoneBlocks,
    forward: [Int32], prefersAfter: Bool
  ) -> (position: Int, around: [Int])? {
    var left = group
    var isForced = true
    while !left.isEmpty {
      var undecided: [Open] = []
      var hasChanged = false
      for item in left {
        let start = history.operations[Int(item.position)].start
        let end = history.operations[Int(item.position)].end
        let first = blocks.firstEnd[block]
        let last = blocks.lastStart[block]
        if start <= last || (!item.isLast && end >= first) { continue }
        let blocksBefore = blocks.forwardAround(
          firstEnd: first, lastStart: max(last, start), forward: forward, but: block)
        let blocksAfter = blocks.forwardAround(
          firstEnd: min(first, end), lastStart: last, forward: forward, but: block)
        let goesBefore: Bool
        switch (blocksBefore, blocksAfter) {
        case (let one?, let other?):
          // Only what was no choice may prove anything.
          if isForced { return (Int(item.position), [one, other]) }
          continue
        case (nil, _?): goesBefore = true
        case (_?, nil): goesBefore = false
        case (nil, nil):
          if isForced {
            undecided.append(item)
            continue
          }
          goesBefore = !prefersAfter && first >= last
        }
        hasChanged = true
        if goesBefore {
          blocks.lastStart[block] = max(last, start)
        } else {
          blocks.firstEnd[block] = min(first, end)
          if item.isLast { wait(item.position, block, end) }
        }
      }
      if !hasChanged { isForced = false }
      left = undecided
      if !isForced && undecided.isEmpty { break }
    }
    return nil
  }
}
