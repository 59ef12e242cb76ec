package import KVBase

/// A replica of this node, as its log knows it: by the group or the partition whose records it has.
package enum LogReplica: Hashable, Sendable, CustomStringConvertible {
  case cp(GroupID)
  case ap(PartitionID)

  package var description: String {
    switch self {
    case .cp(let group): "\(group)"
    case .ap(let partition): "\(partition) (ap)"
    }
  }
}

/// Where a batch is. Its first record begins at `start`, each further one where the one before it
/// ends (`LogRecordCodec.encodedSize`). `end` is not before the end of the last one, and not after
/// the first record of the next batch: who has processed all of the batch needs the log from there.
package struct LogSpan: Hashable, Sendable {
  package var start: LogPosition
  package var end: LogPosition

  package init(start: LogPosition, end: LogPosition) {
    self.start = start
    self.end = end
  }
}

/// A record that was read back, and where it begins.
package struct PositionedRecord: Hashable, Sendable {
  package var position: LogPosition
  package var record: LogRecord

  package init(position: LogPosition, record: LogRecord) {
    self.position = position
    self.record = record
  }
}

/// What one call of `LogStore.replay` found.
package struct LogReplay: Hashable, Sendable {
  /// `.entries` or `.data`, by position.
  package var records: [PositionedRecord]
  /// Where the next call goes on; `nil` where these were the last ones.
  package var next: LogPosition?

  package init(records: [PositionedRecord], next: LogPosition?) {
    self.records = records
    self.next = next
  }
}

/// What a log holds of one ap replica when it is opened.
package struct RecoveredPartition: Hashable, Sendable {
  package var partition: PartitionID
  /// `release` was told so, at least: a replay begins here or after it.
  package var releasedBefore: LogPosition
  /// Its first record at or after that; `nil` where there is none.
  package var neededFrom: LogPosition?

  package init(
    partition: PartitionID, releasedBefore: LogPosition, neededFrom: LogPosition?
  ) {
    self.partition = partition
    self.releasedBefore = releasedBefore
    self.neededFrom = neededFrom
  }
}

/// What one replica holds back of the log.
package struct LogRetention: Hashable, Sendable {
  /// Its first record that is still needed; `nil` where it needs nothing.
  package var neededFrom: LogPosition?
  /// From there to the end of the log: what can't be reused on account of this replica.
  package var heldBytes: Int
  /// The records of its own among them.
  package var ownBytes: Int

  package init(neededFrom: LogPosition?, heldBytes: Int, ownBytes: Int) {
    self.neededFrom = neededFrom
    self.heldBytes = heldBytes
    self.ownBytes = ownBytes
  }
}
