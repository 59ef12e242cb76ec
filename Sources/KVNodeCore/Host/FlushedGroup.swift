package import KVBase
package import KVLog

/// A group whose state has been made durable, and what its share of the log is.
///
/// All groups of a node have one log, and what one of them holds back keeps every segment after it
/// from being used again. So a group's share is counted in positions of the log and not in bytes of
/// its own: of what lies further back than that it may hold nothing for others, whoever needs it.
/// The other groups are not affected: a follower that is away costs its own group a snapshot.
package struct FlushedGroup: Sendable {
  package var group: GroupID
  /// The state is durable up to here.
  package var index: LogIndex
  /// The group's first entry in the part of the log that may be kept for followers; `nil`: it has
  /// none there.
  package var firstForFollowers: LogIndex?
  /// The same for what follows a snapshot that is on its way, or has arrived.
  package var firstForTransfers: LogIndex?

  package init(
    group: GroupID, index: LogIndex, firstForFollowers: LogIndex?, firstForTransfers: LogIndex?
  ) {
    self.group = group
    self.index = index
    self.firstForFollowers = firstForFollowers
    self.firstForTransfers = firstForTransfers
  }
}

extension NodeConfiguration {
  /// The answer to `NodeOutputs.flushState`, from what the state machines and the log say.
  package func flushed(
    _ applied: [(group: GroupID, index: LogIndex)], log: borrowing some LogStore
  ) throws(StorageError) -> NodeInput {
    let end = log.end
    let followers = end.stepping(back: logKeepBytes)
    let transfers = end.stepping(back: max(logKeepBytes, Limits.transferLogBytes))
    var flushed: [FlushedGroup] = []
    flushed.reserveCapacity(applied.count)
    for (group, index) in applied {
      flushed.append(
        FlushedGroup(
          group: group, index: index,
          firstForFollowers: try log.firstIndex(of: group, at: followers),
          firstForTransfers: try log.firstIndex(of: group, at: transfers)))
    }
    return .stateFlushed(flushed)
  }
}

extension LogPosition {
  fileprivate func stepping(back bytes: Int) -> LogPosition {
    LogPosition(rawValue - min(rawValue, UInt64(bytes)))
  }
}
