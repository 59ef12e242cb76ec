internal import KVBase

/// What a follower says of itself with every answer, so that its leader asks nothing of it that it
/// can't do now: flow control, and no failure.
///
/// A follower acknowledges what is durable, whether or not it can apply it; so one whose store
/// can't keep up would take entries, in memory and in its log, without end. Beyond a bound of
/// entries that are committed and not applied it takes no more: it answers an append as if that had
/// no entries, and says so. The leader forgets what is in flight to it, sends heartbeats only, and
/// goes on from what is acknowledged once an answer says that entries are taken again. While no
/// majority takes entries it refuses proposals before they are appended.
///
/// Only what is committed counts: a new leader commits nothing before an entry of its own term
/// (Raft paper §5.4.2), so a follower that refused that one for what waits for the commit would
/// wait for itself.
package struct FollowerCondition: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// It has as much to apply as it may have.
  package static var takesNoEntries: Self { Self(rawValue: 1) }
  /// Its disk is stalled or its store can't keep up: another should lead.
  package static var unfitToLead: Self { Self(rawValue: 2) }
  package static var all: Self { [.takesNoEntries, .unfitToLead] }
}

/// The bytes of entries that a leader sent and that are not applied, in runs by index.
struct ApplyBacklog: Sendable {
  private struct Run: Sendable {
    var through: LogIndex
    var bytes: Int
  }

  private var runs = RingQueue<Run>(limit: Limits.backlogRuns)
  private(set) var bytes = 0

  /// The entries of one append, which are in the log; `logEnd`: its last entry. Where a conflict
  /// has truncated the log, what went with it is not counted any more.
  mutating func received(_ entries: [LogEntry], logEnd: LogIndex) {
    while let newest = runs.last, newest.through > logEnd {
      bytes -= newest.bytes
      _ = runs.popLast()
    }
    let counted = runs.last?.through ?? .zero
    guard let last = entries.last?.index, last > counted else { return }
    var sum = 0
    for position in entries.indices where entries[position].index > counted {
      sum += entries[position].encodedSize
    }
    bytes += sum
    // Full only where nothing is applied for long: then it is counted more coarsely, at the end
    // that is committed.
    if runs.isFull, let oldest = runs.popFirst() { runs[0].bytes += oldest.bytes }
    runs.append(Run(through: last, bytes: sum))
  }

  mutating func applied(through index: LogIndex) {
    while let oldest = runs.first, oldest.through <= index {
      bytes -= oldest.bytes
      _ = runs.popFirst()
    }
  }

  /// Of the entries up to `index`.
  func bytes(through index: LogIndex) -> Int {
    var sum = 0
    for position in 0..<runs.count where runs[position].through <= index {
      sum += runs[position].bytes
    }
    return sum
  }
}

extension RaftCore {
  /// What this replica says of itself from now on.
  package mutating func describe(as condition: FollowerCondition) {
    volatile.condition = condition
  }

  /// Bytes of entries that a leader sent and that are not applied here; about.
  package var backlogBytes: Int { volatile.backlog.bytes }
  /// Of those, what is committed.
  package var committedBacklogBytes: Int { volatile.committedBacklogBytes }

  /// As leader: a majority takes entries. In any other role true.
  package var majorityTakesEntries: Bool { replication.majorityTakesEntries }
}
