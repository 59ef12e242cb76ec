internal import KVBase
internal import KVLog
internal import KVRaft

/// Log records that no write has taken yet, and whose persist each batch completes.
///
/// A turn's records are one write of the log, unless they are many: where the log could not be
/// written for long, what has gathered is taken in several batches. Each is a prefix of what is
/// left, so a crash between two of them leaves a log that the turns of a slower node would have
/// written.
struct LogBatch: Sendable {
  /// A replica's persist that a log write makes durable.
  struct Completion: Sendable {
    enum Kind: Sendable {
      case raft(PersistToken)
      /// The record that begins a new replica.
      case made
      /// The record that switches the replica to the generation of an installed snapshot.
      case reset
      /// The record that says that the replica is gone: its state may go too.
      case removed(GroupID)
    }

    var replica: ReplicaHandle
    var kind: Kind
  }

  private(set) var records: [LogRecord] = []
  private(set) var completions: [Completion] = []
  /// By completion: how many of the records came before it.
  private var recordsBefore: [Int] = []
  /// Encoded size of the records.
  private(set) var bytes = 0

  var isEmpty: Bool { records.isEmpty }

  mutating func append(_ record: LogRecord) {
    records.append(record)
    bytes += LogRecordCodec.encodedSize(record)
  }

  mutating func append(_ completion: Completion) {
    completions.append(completion)
    recordsBefore.append(records.count)
  }

  /// Takes the first records, of at most `maxBytes`, and at least one; with them what they
  /// complete. `nil` where there is none.
  mutating func take(maxBytes: Int) -> LogBatch? {
    guard !isEmpty else { return nil }
    var taken = LogBatch()
    swap(&taken, &self)
    guard taken.bytes > maxBytes, taken.records.count > 1 else { return taken }
    var size = LogRecordCodec.encodedSize(taken.records[0])
    var count = 1
    while count < taken.records.count {
      let next = LogRecordCodec.encodedSize(taken.records[count])
      if size + next > maxBytes { break }
      size += next
      count += 1
    }
    let completed = taken.recordsBefore.prefix { $0 <= count }.count
    records = Array(taken.records[count...])
    completions = Array(taken.completions[completed...])
    recordsBefore = taken.recordsBefore[completed...].map { $0 - count }
    bytes = taken.bytes - size
    taken.records.removeSubrange(count...)
    taken.completions.removeSubrange(completed...)
    taken.recordsBefore.removeSubrange(completed...)
    taken.bytes = size
    return taken
  }
}
