package import KVBase
package import KVCommand

/// A result that a client has not acknowledged.
package struct KeptResult: Hashable, Sendable {
  package var sequence: UInt64
  /// Of the command that it belongs to: another one that comes under its sequence is a fault of the
  /// client, and is not answered with it.
  package var fingerprint: UInt64
  package var result: CommandResult
}

/// What a group remembers of one client, so that its retries take effect once.
package struct Session: Sendable {
  package let client: ClientID
  /// The highest watermark that the client sent: what is below is forgotten and refused. The
  /// highest number of all where the client has left.
  package private(set) var lowestUnacknowledged: UInt64
  /// The last entry of this client.
  package private(set) var lastUse: LogIndex
  /// By rising sequence, none below the watermark.
  package private(set) var results: [KeptResult]
  /// Results of the present batch, in the order of its entries.
  private(set) var fresh: [KeptResult] = []
  /// The present batch changed it.
  var isChanged = false
  /// It differs from its row; the journal has what the row lacks.
  var isDirty = false

  init(
    client: ClientID, lowestUnacknowledged: UInt64, lastUse: LogIndex, results: [KeptResult] = []
  ) {
    self.client = client
    self.lowestUnacknowledged = lowestUnacknowledged
    self.lastUse = lastUse
    self.results = results
  }

  /// The watermark of a client that has left.
  static let ended = UInt64.max

  /// The session with the lowest goes first: those that have ended, then those not used for
  /// longest. Log time never falls from one entry to the next, so the order of last uses in log
  /// time is that of their entries, and no two are equal.
  var rank: UInt64 {
    lastUse.rawValue | (lowestUnacknowledged == Self.ended ? 0 : 1 << 63)
  }

  /// An entry of the client has come.
  mutating func use(at index: LogIndex) { lastUse = index }

  /// Forgets what the client no longer waits for.
  mutating func acknowledge(below watermark: UInt64) {
    guard watermark > lowestUnacknowledged else { return }
    lowestUnacknowledged = watermark
    let forgotten = position(of: watermark)
    if forgotten > 0 { results.removeFirst(forgotten) }
  }

  func kept(_ sequence: UInt64) -> KeptResult? {
    let found = position(of: sequence)
    return found < results.count && results[found].sequence == sequence ? results[found] : nil
  }

  mutating func keep(_ kept: KeptResult) {
    let position = position(of: kept.sequence)
    if position == results.count {
      results.append(kept)
    } else {
      results.insert(kept, at: position)
    }
    fresh.append(kept)
  }

  mutating func batchEnded() {
    fresh.removeAll(keepingCapacity: true)
    isChanged = false
  }

  /// The first result at or above `sequence`. Most are asked for at the end.
  private func position(of sequence: UInt64) -> Int {
    guard let last = results.last, last.sequence >= sequence else { return results.count }
    var low = 0
    var high = results.count - 1
    while low < high {
      let middle = (low + high) / 2
      if results[middle].sequence < sequence { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// What one batch did to a session, as the journal has it.
package struct SessionChange: Hashable, Sendable {
  package var client: ClientID
  package var lowestUnacknowledged: UInt64
  package var lastUse: LogIndex
  package var results: [KeptResult]
}
