/// A concrete order of the operations, made from the order of the blocks.
struct ZoneCertificate {
  /// Positions in the history, in the order in which they take effect.
  private(set) var order: [Int32] = []

  private let history: ZoneHistory
  /// Latest start up to each position of the order, and earliest end from it on.
  private var latestStart: [UInt64] = []
  private var earliestEnd: [UInt64] = []
  /// The value that stands before each position of the order, and at last.
  private var value: [Int32] = []
  /// By value: the position of the order where it was replaced.
  private var replacedAt: [Int32] = []

  /// `nil` where a mismatch finds no position.
  init?(
    _ history: ZoneHistory, _ chains: ZoneChains, _ schedule: ZoneSchedule, byStart: [Int32]
  ) {
    self.history = history
    order.reserveCapacity(history.operations.count)
    putBlocks(chains, schedule, byStart)
    guard history.mismatchCount > 0 else { return }
    measure()
    guard placeMismatches(byStart) else { return nil }
  }

  private mutating func putBlocks(
    _ chains: ZoneChains, _ schedule: ZoneSchedule, _ byStart: [Int32]
  ) {
    var readsFrom = [Int32](repeating: 0, count: chains.stages.count + 1)
    for operation in history.operations where operation.kind == .read {
      readsFrom[Int(chains.rank[Int(operation.value)]) + 1] += 1
    }
    for stage in 1..<readsFrom.count { readsFrom[stage] += readsFrom[stage - 1] }
    var reads = [Int32](repeating: 0, count: Int(readsFrom[chains.stages.count]))
    var fill = readsFrom
    for position in byStart where history.operations[Int(position)].kind == .read {
      let stage = Int(chains.rank[Int(history.operations[Int(position)].value)])
      reads[Int(fill[stage])] = position
      fill[stage] += 1
    }
    for item in schedule.order {
      guard item >= 0 else {
        order.append(~item)
        continue
      }
      for stage in Int(chains.firstStage[Int(item)])..<Int(chains.firstStage[Int(item) + 1]) {
        let installer = chains.installer[Int(chains.stages[stage])]
        if installer >= 0 { order.append(installer) }
        for read in readsFrom[stage]..<readsFrom[stage + 1] { order.append(reads[Int(read)]) }
      }
    }
  }

  private mutating func measure() {
    let count = order.count
    latestStart = Array(repeating: 0, count: count)
    earliestEnd = Array(repeating: ZoneHistory.never, count: count)
    value = Array(repeating: history.initialValue, count: count + 1)
    replacedAt = Array(repeating: -1, count: history.valueCount)
    var latest: UInt64 = 0
    var state = history.initialValue
    for (index, position) in order.enumerated() {
      let operation = history.operations[Int(position)]
      latest = max(latest, operation.start)
      latestStart[index] = latest
      value[index] = state
      if operation.kind != .read {
        replacedAt[Int(state)] = Int32(index)
        state = operation.value
      }
    }
    value[count] = state
    var earliest = ZoneHistory.never
    for index in order.indices.reversed() {
      earliest = min(earliest, history.operations[Int(order[index])].end)
      earliestEnd[index] = earliest
    }
  }

  /// Puts each mismatch, by rising start, into the first gap that time allows and where the value
  /// is another. No other choice leaves more to those that come later.
  private mutating func placeMismatches(_ byStart: [Int32]) -> Bool {
    let mismatches = byStart.filter { history.operations[Int($0)].kind == .mismatch }
    let byEnd = ZoneSort.sorted((0..<Int32(mismatches.count)).map { $0 }) {
      history.operations[Int(mismatches[Int($0)])].end
    }
    var gaps = [Int32](repeating: 0, count: mismatches.count)
    var ended = 0
    // The gap of the latest mismatch that ended already, and of the latest operation that did.
    var floor = 0
    var low = 0
    for (index, position) in mismatches.enumerated() {
      let operation = history.operations[Int(position)]
      while ended < byEnd.count,
        history.operations[Int(mismatches[Int(byEnd[ended])])].end < operation.start
      {
        floor = max(floor, Int(gaps[Int(byEnd[ended])]))
        ended += 1
      }
      while low < order.count && earliestEnd[low] < operation.start { low += 1 }
      var gap = max(low, floor)
      if value[gap] == operation.value {
        let replaced = Int(replacedAt[Int(operation.value)])
        guard replaced >= gap else { return false }
        gap = replaced + 1
      }
      guard gap == 0 || latestStart[gap - 1] <= operation.end else { return false }
      gaps[index] = Int32(gap)
    }
    merge(mismatches, gaps)
    return true
  }

  private mutating func merge(_ mismatches: [Int32], _ gaps: [Int32]) {
    let byGap = ZoneSort.sorted((0..<Int32(mismatches.count)).map { $0 }) {
      UInt64(gaps[Int($0)])
    }
    var merged: [Int32] = []
    merged.reserveCapacity(history.operations.count)
    var next = 0
    for gap in 0...order.count {
      while next < byGap.count && gaps[Int(byGap[next])] == gap {
        merged.append(mismatches[Int(byGap[next])])
        next += 1
      }
      if gap < order.count { merged.append(order[gap]) }
    }
    order = merged
  }

  /// Whether an order explains a history: everything that is known to have happened is in it, once;
  /// nothing stands before what ended before it started; and the register gives what was seen.
  /// Reads the history itself, so that no mistake in what made the order can pass.
  static func explains(
    _ steps: [LinearizabilityStep], order: [Int32], initial: Int64
  ) -> Bool {
    var isPlaced = Array(repeating: false, count: steps.count)
    var latestStart: UInt64 = 0
    var state = initial
    for position in order {
      let step = steps[Int(position)]
      guard !isPlaced[Int(position)] else { return false }
      isPlaced[Int(position)] = true
      if let end = step.end, end < latestStart { return false }
      latestStart = max(latestStart, step.start)
      guard let next = step.next(after: state) else { return false }
      state = next
    }
    for position in steps.indices where !isPlaced[position] && steps[position].end != nil {
      return false
    }
    return true
  }
}
