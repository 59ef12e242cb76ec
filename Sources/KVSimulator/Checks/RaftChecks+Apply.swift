package import KVBase
import KVCommand
package import KVLog
package import KVState

extension RaftChecks {
  // MARK: The disk and the state

  package mutating func persisted(_ number: UInt64, by node: NodeID) {
    let at = Int(node.rawValue) - 1
    for group in groups.indices { groups[group].replicas[at].persisted(number) }
  }

  /// Entries were handed to a node's state. Answers those that no replica applied before.
  package mutating func applied(
    _ request: ApplyRequest, _ result: ApplyResult, by node: NodeID
  ) -> Range<Int> {
    let at = Int(node.rawValue) - 1
    let group = Int(request.group.rawValue)
    for entry in request.entries {
      let index = entry.index.rawValue
      let replica = groups[group].replicas[at]
      if index != replica.appliedIndex + 1 {
        report(
          .applyOrder,
          "\(name(at)) applied entry \(index) of g\(group) after \(replica.appliedIndex)")
      }
      if index > replica.durableLast {
        report(
          .applyOrder,
          "\(name(at)) applied entry \(index) of g\(group), and its log is durable up to "
            + "\(replica.durableLast)")
      }
      groups[group].replicas[at].appliedIndex = index
      agree(group, at, index: index, EntryMark(entry))
    }
    checkDigest(group, at, index: result.index.rawValue, digest: result.digest)
    return compareResults(request, result, group, at)
  }

  /// Applying is a function of the entries alone: every replica answers what the first one did.
  private mutating func compareResults(
    _ request: ApplyRequest, _ result: ApplyResult, _ group: Int, _ node: Int
  ) -> Range<Int> {
    let count = request.entries.count
    guard let first = request.entries.first, result.results.count == count else { return 0..<0 }
    var slot = Int(first.index.rawValue) - 1
    for at in 0..<count {
      if slot == groups[group].results.count {
        groups[group].results += result.results[at...]
        return at..<count
      }
      if slot < groups[group].results.count,
        groups[group].results[slot] != result.results[at]
      {
        report(
          .stateMachineSafety,
          "\(name(node)) answered entry \(slot + 1) of g\(group) with \(result.results[at]), and "
            + "another replica with \(groups[group].results[slot])")
      }
      slot += 1
    }
    return 0..<0
  }

  /// The chained hash of everything applied, compared with other replicas' at the same index.
  package mutating func checkDigest(_ group: Int, _ node: Int, index: UInt64, digest: UInt64) {
    guard let known = groups[group].digests[index] else {
      groups[group].digests[index] = digest
      return
    }
    if known != digest {
      report(
        .stateMachineSafety,
        "the state of g\(group) on \(name(node)) differs from another's at index \(index)")
    }
  }

  /// A node starts again: what its disk has must hold what was durable.
  package mutating func recovered(
    _ node: NodeID, _ id: GroupID, log: RecoveredLog, entries: [LogEntry], status: GroupStatus
  ) {
    let at = Int(node.rawValue) - 1
    let group = Int(id.rawValue)
    let before = groups[group].replicas[at]
    let lasts = log.lastIndex.rawValue
    if lasts < before.durableLast {
      report(
        .durability,
        "\(name(at)) had entry \(before.durableLast) of g\(group) durable and found \(lasts)")
    }
    if log.hardState.term < before.durableHardState.term
      || (log.hardState.term == before.durableHardState.term
        && before.durableHardState.vote != nil
        && log.hardState.vote != before.durableHardState.vote)
    {
      report(
        .durability,
        "\(name(at)) had term \(before.durableHardState.term) of g\(group) durable with its vote, "
          + "and found another")
    }
    if let generation = before.durableGeneration, log.generation < generation {
      report(
        .durability,
        "\(name(at)) had generation \(generation) of g\(group) durable, and found "
          + "\(log.generation)")
    }
    if UInt64(entries.count) != lasts - log.baseIndex.rawValue {
      report(
        .durability,
        "\(name(at)) found entries \(log.baseIndex.rawValue + 1) to \(lasts) of g\(group) and can "
          + "read \(entries.count)")
    }
    let marks = entries.map { EntryMark($0) }
    compareDisk(group, at, log, marks)
    groups[group].replicas[at].recover(
      base: log.baseIndex.rawValue, baseTerm: log.baseTerm.rawValue, marks: marks,
      hardState: log.hardState, generation: log.generation,
      applied: status.appliedIndex.rawValue)
    if status.appliedIndex > .zero {
      checkDigest(group, at, index: status.appliedIndex.rawValue, digest: status.digest)
    }
    // One without voters stands where the log has none yet.
    for stated in log.configurations where !stated.configuration.voters.isEmpty {
      checkConfiguration(
        stated.configuration, asOf: stated.index.rawValue, group, at, "its log at the start")
    }
    checkConfiguration(
      status.configuration, asOf: status.appliedIndex.rawValue, group, at, "its state at the start")
  }

  /// A node starts again and finds nothing of the groups that are not among these: nothing of them
  /// was durable.
  package mutating func recovered(_ node: NodeID, only found: [GroupID]) {
    let at = Int(node.rawValue) - 1
    for group in groups.indices where !found.contains(GroupID(UInt32(group))) {
      let before = groups[group].replicas[at]
      if before.durableGeneration != nil || before.durableHardState.term > .zero {
        report(
          .durability,
          "\(name(at)) had made its replica of g\(group) durably, up to entry "
            + "\(before.durableLast) and term \(before.durableHardState.term), and found none")
      }
      groups[group].replicas[at] = ReplicaView()
      groups[group].disks[at] = DurableLog()
    }
  }

  /// The last index applied on each node, for the end of a run.
  package func appliedIndexes(of group: Int) -> [UInt64] {
    groups[group].replicas.map(\.appliedIndex)
  }
}
