import KVBase
import KVLog

/// Restarts, losses of power, and what must be there afterwards.
extension LogExperiment {
  mutating func restart() throws -> String? {
    recycled += log.statistics.segmentsRecycled
    if case .memory(let memory) = log.store {
      log = TestLog(.memory, options: log.options, store: .memory(try memory.restart()))
    } else {
      log = try log.reopened()
    }
    possible = [model]
    return adoptRecovered()
  }

  mutating func crash() throws -> String? {
    crashes += 1
    recycled += log.statistics.segmentsRecycled
    if case .memory(let memory) = log.store {
      let after = try memory.crash(tearing: &random)
      log = TestLog(.memory, options: log.options, store: .memory(after))
      injectFault()
    } else {
      log = try TestLog.open(.real, log.crashImage(&random), options: log.options)
    }
    if log.tornTailBytes > 0 { tornTails += 1 }
    return adoptRecovered()
  }

  /// The power fails in the midst of an append or a sync: before, within or after one of its steps.
  mutating func losePowerWhileWriting() throws -> String? {
    guard case .memory(let memory) = log.store else { return nil }
    memory.inject(.powerCut(afterOperations: Int(random.below(14))))
    do {
      for _ in 0..<100 {
        _ = try append()
        if random.chance(1, in: 2) { _ = try sync() }
      }
      return "the power did not fail"
    } catch {
      powerCuts += 1
      return try crash()
    }
  }

  /// The log must be in one of the possible states, whole.
  mutating func adoptRecovered() -> String? {
    var difference = "nothing was possible"
    for candidate in possible.reversed() {
      guard let found = compare(candidate) else {
        // Lives go on rising, so that no later one is taken for one that the crash undid.
        let lives = max(model.lives, candidate.lives)
        model = candidate
        model.lives = lives
        let difference = adoptPositions()
        possible = [model]
        return difference
      }
      difference = found
    }
    return "recovered \(log.log.recovered): \(difference), of \(possible.count) possible states"
  }

  mutating func compare(_ candidate: LogModel) -> String? {
    guard log.log.recovered.map(\.group) == candidate.groups.keys.sorted() else {
      return "other groups than \(candidate.groups.keys.sorted())"
    }
    var bases: [Int: UInt64] = [:]
    for (group, recovered) in log.log.recovered {
      guard let state = candidate.groups[group] else { return "\(group) is not expected" }
      let base = recovered.baseIndex.rawValue
      guard base >= state.resetIndex, base <= max(state.resetIndex, compacted[state.life] ?? 0),
        base <= state.lastIndex
      else { return "\(group) begins after \(base)" }
      let expected = state.expected(base: base)
      guard recovered == expected else { return "\(group): \(expected) expected" }
      guard (try? log.entries(of: group)) == Array(state.entries(after: base)) else {
        return "other entries of \(group)"
      }
      bases[state.life] = base
    }
    if let difference = comparePartitions(candidate) { return difference }
    readable = bases
    return nil
  }

  mutating func comparePartitions(_ candidate: LogModel) -> String? {
    let recovered = log.log.recoveredPartitions
    guard recovered.map(\.partition) == candidate.partitions.keys.sorted() else {
      return "other partitions than \(candidate.partitions.keys.sorted())"
    }
    for found in recovered {
      let data = candidate.partitions[found.partition] ?? []
      let floor = released[found.partition] ?? .zero
      let needed = data.filter { $0.position.map { $0 >= floor } ?? true }
      let replayed: [PositionedRecord]
      do {
        replayed = try replayAll(.ap(found.partition), from: found.releasedBefore)
      } catch {
        return "\(found.partition): \(error)"
      }
      guard replayed.count >= needed.count, replayed.count <= data.count,
        replayed.first?.position == found.neededFrom
      else { return "\(found): \(replayed.count) records, and \(needed.count) needed" }
      for (data, replayed) in zip(data.suffix(replayed.count), replayed) {
        guard replayed.record == .data(.ap, found.partition, data.payload),
          data.position.map({ $0 == replayed.position }) ?? true
        else { return "\(found.partition): \(replayed) where \(data)" }
      }
    }
    return nil
  }

  /// Fills in where the records of a failed append are, if they survived, and compares the others.
  mutating func adoptPositions() -> String? {
    for (group, state) in model.groups {
      for i in state.entries.indices {
        guard let position = try? log.log.position(of: group, state.entries[i].index) else {
          continue
        }
        if let known = state.positions[i], known != position {
          return "\(group): entry \(state.entries[i].index) at \(position), not \(known)"
        }
        model.groups[group]?.positions[i] = position
      }
    }
    replayable = [:]
    released = released.filter { model.partitions[$0.key] != nil }
      .mapValues { min($0, log.log.end) }
    for found in log.log.recoveredPartitions {
      replayable[found.partition] = found.releasedBefore
      let replayed = (try? replayAll(.ap(found.partition), from: found.releasedBefore)) ?? []
      let count = model.partitions[found.partition]?.count ?? 0
      for (i, record) in replayed.enumerated() {
        model.partitions[found.partition]?[count - replayed.count + i].position = record.position
      }
    }
    return nil
  }
}
