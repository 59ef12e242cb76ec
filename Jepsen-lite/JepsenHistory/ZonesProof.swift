/// Picks the operations that show a contradiction which the zones have found.
struct ZoneProof {
  private let history: ZoneHistory
  private let chains: ZoneChains

  init(_ history: ZoneHistory, _ chains: ZoneChains) {
    self.history = history
    self.chains = chains
  }

  /// An unknown write counts only because its value was seen: adds who saw it.
  static func withObservers(_ positions: [Int], _ history: ZoneHistory) -> [Int] {
    var found = Set(positions)
    guard positions.contains(where: { history.operations[$0].isUnknown }) else {
      return found.sorted()
    }
    var observer = Array(repeating: -1, count: history.valueCount)
    var installer = observer
    var open: [Int] = []
    for (position, operation) in history.operations.enumerated() {
      if operation.kind == .cas || operation.kind == .write {
        installer[Int(operation.value)] = position
      }
      let seen: Int32
      switch operation.kind {
      case .read: seen = operation.value
      case .cas where !operation.isUnknown: seen = operation.expected
      default: continue
      }
      if observer[Int(seen)] < 0 { open.append(Int(seen)) }
      observer[Int(seen)] = position
    }
    while let value = open.popLast() {
      let position = installer[value]
      guard position >= 0, history.operations[position].kind == .cas else { continue }
      let expected = Int(history.operations[position].expected)
      if observer[expected] < 0 {
        observer[expected] = position
        open.append(expected)
      }
    }
    var waiting = positions
    while let position = waiting.popLast() {
      let operation = history.operations[position]
      guard operation.isUnknown else { continue }
      let observer = observer[Int(operation.value)]
      if observer >= 0 && found.insert(observer).inserted { waiting.append(observer) }
    }
    return found.sorted()
  }

  /// Stands for the writing of the initial value, before everything.
  private static let beginning = -1

  /// Twice the stage, and one more for its reads.
  private func rank(_ position: Int) -> Int {
    if position == Self.beginning { return 0 }
    let operation = history.operations[position]
    return 2 * Int(chains.rank[Int(operation.value)]) + (operation.kind == .read ? 1 : 0)
  }

  /// The operations of a block in their order.
  private func members(of block: Int) -> [Int] {
    let positions = history.operations.indices.filter {
      let operation = history.operations[$0]
      guard operation.kind != .mismatch && operation.kind != .nothing else { return false }
      let rank = chains.rank[Int(operation.value)]
      return rank >= 0 && chains.blockOfStage[Int(rank)] == Int32(block)
    }
    let sorted = ZoneSort.sorted(positions.map(Int32.init)) { UInt64(rank(Int($0))) }.map(Int.init)
    return block == 0 ? [Self.beginning] + sorted : sorted
  }

  private func start(_ position: Int) -> UInt64 {
    position == Self.beginning ? 0 : history.operations[position].start
  }

  private func end(_ position: Int) -> UInt64 {
    position == Self.beginning ? 0 : history.operations[position].end
  }

  private func finished(_ positions: [Int]) -> [Int] {
    Self.withObservers(positions.filter { $0 != Self.beginning }, history)
  }

  /// The compare-and-sets that lead from one stage to the other, whichever is earlier.
  private func links(_ one: Int, _ other: Int) -> [Int] {
    (min(one, other)..<max(one, other)).map { Int(chains.installer[Int(chains.stages[$0 + 1])]) }
  }

  /// The two, and what ties the one's stage to the other's.
  private func tied(_ one: Int, _ other: Int) -> [Int] {
    [one, other] + links(rank(one) / 2, rank(other) / 2)
  }

  /// An operation of a later stage ended before one of an earlier stage started: the pair with the
  /// fewest stages between them, as far as a bounded look tells.
  func order(in block: Int) -> ZoneContradiction {
    let members = members(of: block)
    var leastEnd = members.map { end($0) }
    for index in leastEnd.indices.dropLast().reversed() {
      leastEnd[index] = min(leastEnd[index], leastEnd[index + 1])
    }
    var best: (Int, Int)?
    var budget = 10_000_000
    for (index, early) in members.enumerated() where leastEnd[index] < start(early) {
      var other = index + 1
      while other < members.count
        && (end(members[other]) >= start(early) || rank(members[other]) == rank(early))
      {
        other += 1
        budget -= 1
      }
      guard other < members.count else { continue }
      let late = members[other]
      let isBetter = best.map { rank(late) - rank(early) < rank($0.1) - rank($0.0) }
      if isBetter ?? true { best = (early, late) }
      if budget <= 0 { break }
    }
    // What called found a pair, so one is found here within the bound's first round.
    let (early, late) = best ?? (members[members.count - 1], members[0])
    return ZoneContradiction(
      kind: .order(early: early, late: late), positions: finished(tied(early, late)))
  }

  /// Two blocks, each of which must be before the other.
  func contradiction(_ one: Int, _ other: Int) -> ZoneContradiction {
    // The initial value's block goes first, for it alone has the beginning.
    let first = members(of: min(one, other))
    let second = members(of: max(one, other))
    var mine = (first[0], first[0])
    var theirs = (second[0], second[0])
    for position in second {
      if end(position) < end(theirs.0) { theirs.0 = position }
      if start(position) > start(theirs.1) { theirs.1 = position }
    }
    // Each round looks for closer ones of one block, given those of the other.
    for _ in 0..<3 {
      mine = nearest(first, endedBefore: start(theirs.1), startedAfter: end(theirs.0)) ?? mine
      theirs = nearest(second, endedBefore: start(mine.1), startedAfter: end(mine.0)) ?? theirs
    }
    return ZoneContradiction(
      kind: .blocks(
        ended: mine.0 == Self.beginning ? nil : mine.0, beforeStartOf: theirs.1, and: theirs.0,
        beforeStartOfOwn: mine.1),
      positions: finished(tied(mine.0, mine.1) + tied(theirs.0, theirs.1)))
  }

  /// An operation that ended before one time and one that started after another, of one block,
  /// with the fewest stages between them.
  private func nearest(
    _ members: [Int], endedBefore: UInt64, startedAfter: UInt64
  ) -> (Int, Int)? {
    var ended: Int?
    var started: Int?
    var best: (Int, Int)?
    for position in members {
      if end(position) < endedBefore { ended = position }
      if start(position) > startedAfter { started = position }
      guard let ended, let started else { continue }
      let distance = abs(rank(started) / 2 - rank(ended) / 2)
      if best.map({ distance < abs(rank($0.1) / 2 - rank($0.0) / 2) }) ?? true {
        best = (ended, started)
      }
    }
    return best
  }

  /// A mismatch between an operation that follows its value's installer and one that precedes the
  /// value's end.
  func mismatch(_ position: Int) -> ZoneContradiction {
    let operation = history.operations[position]
    let stage = Int(chains.rank[Int(operation.value)])
    let members = members(of: Int(chains.blockOfStage[stage]))
    let after = members.first { rank($0) >= 2 * stage && end($0) < operation.start }
    let before = members.last { rank($0) <= 2 * (stage + 1) && start($0) > operation.end }
    var positions = [position]
    for found in [after, before] {
      if let found { positions += [found] + links(rank(found) / 2, stage) }
    }
    return ZoneContradiction(
      kind: .mismatch(
        position, after: after == Self.beginning ? nil : after, before: before ?? position),
      positions: finished(positions))
  }

  /// A mismatch that can stand on neither side of its block for what other blocks ask.
  func squeezed(_ position: Int, between others: [Int]) -> ZoneContradiction {
    let stage = Int(chains.rank[Int(history.operations[position].value)])
    let own = Int(chains.blockOfStage[stage])
    var positions = [position]
    for block in [own] + others {
      let members = members(of: block)
      guard let early = members.min(by: { end($0) < end($1) }),
        let late = members.max(by: { start($0) < start($1) })
      else { continue }
      positions += tied(early, late)
      if block == own {
        positions += links(rank(early) / 2, stage) + links(rank(late) / 2, stage)
      }
    }
    return ZoneContradiction(kind: .squeezed(position), positions: finished(positions))
  }

  /// A mismatch after the last value of its block, where nothing can have replaced that value in
  /// time; `nil` where something may have. Here it is all other writes together that prove it: the
  /// answer names only the mismatch and why it stands after the value was written.
  func unfollowed(_ position: Int, _ blocks: ZoneBlocks) -> ZoneContradiction? {
    let mismatch = history.operations[position]
    let stage = Int(chains.rank[Int(mismatch.value)])
    let own = Int(chains.blockOfStage[stage])
    guard chains.isLastOfBlock(stage), blocks.earliestEndFrom[stage] < mismatch.start else {
      return nil
    }
    for block in 0..<blocks.count where block != own {
      if blocks.release[block] <= mismatch.end && blocks.firstEnd[block] >= blocks.lastStart[own] {
        return nil
      }
    }
    for operation in history.operations
    where operation.isUnknown && operation.start <= mismatch.end
      && chains.rank[Int(operation.value)] == ZoneChains.none
    {
      if operation.kind == .write { return nil }
      if operation.kind == .cas && operation.expected == mismatch.value { return nil }
    }
    let after = members(of: own).first {
      rank($0) >= 2 * stage && end($0) < mismatch.start
    }
    return ZoneContradiction(
      kind: .unfollowed(position, after: after == Self.beginning ? nil : after),
      positions: finished([position] + (after.map { [$0] } ?? [])))
  }
}
