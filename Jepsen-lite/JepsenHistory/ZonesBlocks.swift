/// Where the blocks of a history lie in time, and whether they contradict each other.
///
/// All of block A is before all of block B in any order, as soon as an operation of A ended before
/// one of B started: `firstEnd(A) < lastStart(B)`. Two blocks that must each be before the other
/// are a contradiction, and without such a pair there is an order (see CHECKING.md). The zone of a
/// block is what lies between its first end and its last start: forward where the first end is
/// earlier, else backward.
struct ZoneBlocks {
  /// By block.
  var firstEnd: [UInt64] = []
  var lastStart: [UInt64] = []
  /// By block: the start of the operation that begins it.
  private(set) var release: [UInt64] = []
  /// By stage: the least end from its installer to the end of its block.
  private(set) var earliestEndFrom: [UInt64] = []
  /// By stage: the greatest start from the beginning of its block to the cas that ends it.
  private(set) var latestStartUpTo: [UInt64] = []

  var count: Int { firstEnd.count }

  init(_ history: ZoneHistory, _ chains: ZoneChains) throws(ZoneEnd) {
    let stageCount = chains.stages.count
    var readFirstEnd = Array(repeating: ZoneHistory.never, count: stageCount)
    var readLastStart: [UInt64] = Array(repeating: 0, count: stageCount)
    for operation in history.operations where operation.kind == .read {
      let stage = Int(chains.rank[Int(operation.value)])
      readFirstEnd[stage] = min(readFirstEnd[stage], operation.end)
      readLastStart[stage] = max(readLastStart[stage], operation.start)
    }
    earliestEndFrom = Array(repeating: ZoneHistory.never, count: stageCount)
    latestStartUpTo = Array(repeating: 0, count: stageCount)
    for block in 0..<chains.blockCount {
      let range = Int(chains.firstStage[block])..<Int(chains.firstStage[block + 1])
      try add(range, block, history, chains, readFirstEnd, readLastStart)
    }
  }

  private mutating func add(
    _ range: Range<Int>, _ block: Int, _ history: ZoneHistory, _ chains: ZoneChains,
    _ readFirstEnd: [UInt64], _ readLastStart: [UInt64]
  ) throws(ZoneEnd) {
    var latest: UInt64 = 0
    for stage in range {
      var start: UInt64 = 0
      var end: UInt64 = 0
      let installer = chains.installer[Int(chains.stages[stage])]
      if installer >= 0 {
        start = history.operations[Int(installer)].start
        end = history.operations[Int(installer)].end
      }
      if end < latest { throw .violated(ZoneProof(history, chains).order(in: block)) }
      latest = max(latest, start)
      if stage == range.lowerBound {
        release.append(start)
      } else {
        latestStartUpTo[stage - 1] = latest
      }
      if readFirstEnd[stage] < latest {
        throw .violated(ZoneProof(history, chains).order(in: block))
      }
      latest = max(latest, readLastStart[stage])
      earliestEndFrom[stage] = min(end, readFirstEnd[stage])
    }
    latestStartUpTo[range.upperBound - 1] = latest
    var earliest = ZoneHistory.never
    for stage in range.reversed() {
      earliest = min(earliest, earliestEndFrom[stage])
      earliestEndFrom[stage] = earliest
    }
    firstEnd.append(earliest)
    lastStart.append(latest)
  }

  func isForward(_ block: Int) -> Bool { firstEnd[block] < lastStart[block] }

  /// The forward zones by their beginning.
  func forward() -> [Int32] {
    ZoneSort.sorted((0..<Int32(count)).filter { isForward(Int($0)) }) { firstEnd[Int($0)] }
  }

  /// Two blocks that must each be before the other.
  func contradiction(forward: [Int32]) -> (Int, Int)? {
    var previous: Int32?
    for block in forward {
      if let previous, firstEnd[Int(block)] < lastStart[Int(previous)] {
        return (Int(previous), Int(block))
      }
      previous = block
    }
    // Forward zones are apart from here on, so of those that begin before a backward zone does,
    // only the last can hold it.
    let backward = ZoneSort.sorted((0..<Int32(count)).filter { !isForward(Int($0)) }) {
      lastStart[Int($0)]
    }
    var next = 0
    for block in backward {
      while next < forward.count && firstEnd[Int(forward[next])] < lastStart[Int(block)] {
        next += 1
      }
      if next > 0, firstEnd[Int(block)] < lastStart[Int(forward[next - 1])] {
        return (Int(forward[next - 1]), Int(block))
      }
    }
    return nil
  }

  /// The forward zone that a zone from `first end` to `last start` would contradict.
  func forwardAround(
    firstEnd first: UInt64, lastStart last: UInt64, forward: [Int32], but own: Int
  ) -> Int? {
    var low = 0
    var high = forward.count
    while low < high {
      let middle = (low + high) / 2
      if firstEnd[Int(forward[middle])] < last { low = middle + 1 } else { high = middle }
    }
    for index in [low - 1, low - 2] where index >= 0 {
      let block = Int(forward[index])
      if block != own && first < lastStart[block] { return block }
    }
    return nil
  }
}
