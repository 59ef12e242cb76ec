import KVBase
import KVLog
import KVNodeCore
import KVRaft

/// What the simulated disks have, and what is promised of it.
extension RaftChecks {
  // MARK: Writes and syncs

  /// Entries that `observe` has added to a replica's view.
  mutating func wroteEntries(_ group: Int, _ node: Int, _ number: UInt64, from index: UInt64) {
    let marks = groups[group].replicas[node].marks(from: index)
    groups[group].disks[node].writes(number, marks, from: index)
  }

  /// A sync of a node's disk that covered the persists up to `number` has ended, and all that it
  /// covered is durable there. The node may be told so later, or earlier where it is at fault.
  mutating func synced(_ number: UInt64, by node: NodeID) {
    let at = Int(node.rawValue) - 1
    for group in groups.indices { groups[group].disks[at].synced(number) }
  }

  // MARK: Messages

  /// Whether a node has handed anything to its log that is not durable: only then can it say more
  /// than its disk has.
  func awaitsDisk(_ node: Int) -> Bool {
    groups.contains { $0.disks[node].hasPending }
  }

  /// A message leaves a node. What it promises is durable on the node's disk: a vote in its term,
  /// and the entries that an append response says are held.
  mutating func sends(_ message: PeerMessage, from node: Int) {
    let group = Int(message.group.rawValue)
    guard group < groups.count else { return }
    let disk = groups[group].disks[node]
    switch message.body {
    case .raft(.voteResponse(let response)):
      guard response.granted, !response.isPreVote, disk.hardState.term <= message.term else {
        return
      }
      guard disk.hardState.term < message.term || disk.hardState.vote != message.to else { return }
      report(
        .sentBeforeDurable,
        "\(name(node)) gives \(message.to) its vote in term \(message.term) of g\(group), and its "
          + "disk has term \(disk.hardState.term) with "
          + (disk.hardState.vote.map { "a vote for \($0)" } ?? "no vote"))
    case .raft(.appendResponse(let response)):
      // What was said in an earlier term may have been replaced since.
      guard case .accepted(let match) = response.outcome,
        message.term == groups[group].replicas[node].hardState.term,
        match.rawValue > disk.last || message.term > disk.hardState.term
      else { return }
      report(
        .sentBeforeDurable,
        "\(name(node)) says in term \(message.term) of g\(group) that it holds entry \(match), and "
          + "its disk has entry \(disk.last) and term \(disk.hardState.term)")
    case .raft, .snapshot: break
    }
  }

  // MARK: Starts

  /// A log that was opened again, against what its disk had, entry by entry.
  mutating func compareDisk(_ group: Int, _ node: Int, _ log: RecoveredLog, _ found: [EntryMark]) {
    let disk = groups[group].disks[node]
    let base = log.baseIndex.rawValue
    if disk.generation == log.generation || disk.generation == nil {
      if let index = disk.firstDifference(foundAfter: base, found) {
        report(
          .durability,
          "\(name(node)) had entry \(index) of g\(group) durable, and found another in its place")
      }
      // What the node knew to be durable is compared without a look at the disk.
      let known = groups[group].replicas[node].durableLast
      if base + UInt64(found.count) < disk.last, disk.last > known {
        report(
          .durability,
          "the disk of \(name(node)) had entry \(disk.last) of g\(group), and entry "
            + "\(base + UInt64(found.count)) is the last that was found")
      }
    }
    if log.hardState.term < disk.hardState.term {
      report(
        .durability,
        "the disk of \(name(node)) had term \(disk.hardState.term) of g\(group), and "
          + "\(log.hardState.term) was found")
    }
    groups[group].disks[node].recover(base: base, found, log.hardState, log.generation)
  }
}
