internal import KVBase

/// The mutations of this client to one group: which of them it still waits for.
///
/// Sequences rise over all that the client sends, but each group keeps its own results, so each
/// group has its own watermark: a group without a leader does not hold up the others. No more than
/// `Limits.resultsPerSession` lie between the watermark and the newest: what a group keeps.
struct SessionWindow: Sendable {
  private struct Entry {
    var sequence: UInt64
    var isDone: Bool
  }

  /// Who this client is to the group.
  private(set) var client: ClientID
  /// A mutation was numbered under that id, or waits to go on under it.
  private(set) var isUsed = false
  private var entries = RingQueue<Entry>(limit: Limits.resultsPerSession)
  /// The ordinal of the first entry: ordinals name entries and are never reused.
  private var firstOrdinal: UInt64 = 0
  /// Calls that wait until it is not full.
  var waiting = RingQueue<CallRef>(limit: Limits.clientWaitingMutations)

  init(client: ClientID) { self.client = client }

  var isFull: Bool { entries.isFull }
  var count: Int { entries.count }

  /// The lowest sequence that is not answered.
  var lowestUnacknowledged: UInt64? { entries.first?.sequence }

  /// The group knows the client by another id from now on.
  mutating func renew(as client: ClientID) {
    self.client = client
    isUsed = count > 0
  }

  /// Opens an entry for `sequence`, higher than all before. Returns its ordinal. Must not be full.
  mutating func open(_ sequence: UInt64) -> UInt64 {
    isUsed = true
    let added = entries.append(Entry(sequence: sequence, isDone: false))
    precondition(added, "sequence \(sequence): \(entries.count) of \(entries.limit) are open")
    return firstOrdinal + UInt64(entries.count - 1)
  }

  /// The mutation has ended.
  mutating func close(_ ordinal: UInt64) {
    precondition(
      ordinal >= firstOrdinal && ordinal < firstOrdinal + UInt64(entries.count),
      "ordinal \(ordinal) of \(firstOrdinal) and \(entries.count) more")
    entries[Int(ordinal - firstOrdinal)].isDone = true
    while let first = entries.first, first.isDone {
      _ = entries.popFirst()
      firstOrdinal += 1
    }
  }
}
