package import KVBase
package import KVCommand

/// A result that a client has not acknowledged.
package struct KeptResult: Hashable, Sendable {
  package var sequence: UInt64
  package var result: CommandResult
}

/// What a group remembers of one client, so that its retries take effect once.
package struct Session: Sendable {
  package let client: ClientID
  /// The highest watermark that the client sent: what is below is forgotten and refused.
  package private(set) var lowestUnacknowledged: UInt64
  /// By rising sequence, none below the watermark.
  package private(set) var results: [KeptResult]
  /// Results of the present batch, in the order of its entries.
  private(set) var fresh: [KeptResult] = []
  /// The present batch changed it.
  fileprivate var isChanged = false
  /// It differs from its row; the journal has what the row lacks.
  fileprivate(set) var isDirty = false

  init(client: ClientID, lowestUnacknowledged: UInt64, results: [KeptResult] = []) {
    self.client = client
    self.lowestUnacknowledged = lowestUnacknowledged
    self.results = results
  }

  /// Forgets what the client no longer waits for. True where that changed something.
  fileprivate mutating func acknowledge(below watermark: UInt64) -> Bool {
    guard watermark > lowestUnacknowledged else { return false }
    lowestUnacknowledged = watermark
    let forgotten = position(of: watermark)
    if forgotten > 0 { results.removeFirst(forgotten) }
    return true
  }

  fileprivate func result(of sequence: UInt64) -> CommandResult? {
    let found = position(of: sequence)
    return found < results.count && results[found].sequence == sequence
      ? results[found].result : nil
  }

  fileprivate mutating func keep(_ result: CommandResult, of sequence: UInt64) {
    let kept = KeptResult(sequence: sequence, result: result)
    let position = position(of: sequence)
    if position == results.count {
      results.append(kept)
    } else {
      results.insert(kept, at: position)
    }
    fresh.append(kept)
  }

  fileprivate mutating func batchEnded() {
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
  package var results: [KeptResult]
}

/// Whether a command of a session is to be carried out.
enum Admission {
  /// By the session at this position.
  case execute(position: Int)
  /// A retry, or a refusal: nothing is to be done.
  case answer(CommandResult)
}

/// The sessions of one group, and which of them the present batch changed. A function of the
/// group's entries alone: equal on all replicas.
///
/// For each command: `admit`, then, where that says so, the command is carried out and its result
/// is kept. At the end of a batch `SessionJournal` writes what changed and calls `batchEnded`.
struct SessionTable {
  /// Clients created at or before this and unknown here are refused.
  var floorMilliseconds: UInt64 = 0
  /// Sorted, and beside each its session: a search touches this array only.
  private(set) var clients: [ClientID] = []
  private(set) var sessions: [Session] = []
  private let limit: Int

  /// Clients whose sessions the present batch changed, each once; it may have evicted some of them.
  private(set) var changed: [ClientID] = []
  /// Clients that the present batch evicted.
  private(set) var forgotten: [ClientID] = []

  init(limit: Int = Limits.sessionsPerGroup) { self.limit = limit }

  var count: Int { clients.count }

  /// The position of the first client at or above `client`.
  func position(of client: ClientID) -> Int {
    var low = 0
    var high = clients.count
    while low < high {
      let middle = (low + high) / 2
      if clients[middle] < client { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// `nil` where there is no session of `client`.
  func index(of client: ClientID) -> Int? {
    let position = position(of: client)
    return position < clients.count && clients[position] == client ? position : nil
  }

  // MARK: Commands

  /// Judges a command by its stamp, and forgets what its client acknowledges with it.
  mutating func admit(_ stamp: SessionStamp) -> Admission {
    guard let position = index(of: stamp.client) else { return admitUnknown(stamp) }
    if sessions[position].acknowledge(below: stamp.lowestUnacknowledged) { noteChange(position) }
    guard stamp.sequence >= sessions[position].lowestUnacknowledged else {
      return .answer(.sequenceTooLow)
    }
    if let result = sessions[position].result(of: stamp.sequence) { return .answer(result) }
    guard sessions[position].results.count < Limits.resultsPerSession else {
      return .answer(.tooManyUnacknowledged)
    }
    return .execute(position: position)
  }

  private mutating func admitUnknown(_ stamp: SessionStamp) -> Admission {
    guard stamp.client.createdMilliseconds > floorMilliseconds else {
      return .answer(.sessionExpired)
    }
    guard stamp.sequence >= stamp.lowestUnacknowledged else { return .answer(.sequenceTooLow) }
    while clients.count >= limit { evictOldest() }
    let session = Session(
      client: stamp.client, lowestUnacknowledged: stamp.lowestUnacknowledged)
    return .execute(position: insert(session))
  }

  /// Keeps the result of a command that was admitted at `position`. The command may have expired
  /// sessions, its own among them: then nothing is kept.
  mutating func keep(_ result: CommandResult, of stamp: SessionStamp, admittedAt position: Int) {
    var position = position
    if position >= clients.count || clients[position] != stamp.client {
      guard let found = index(of: stamp.client) else { return }
      position = found
    }
    sessions[position].keep(result, of: stamp.sequence)
    noteChange(position)
  }

  /// Forgets clients created at or before a time and raises the floor to it.
  mutating func expire(throughMilliseconds time: UInt64) {
    floorMilliseconds = max(floorMilliseconds, time)
    while let oldest = clients.first, oldest.createdMilliseconds <= time { evictOldest() }
  }

  /// The floor rises to what is evicted, so that its client can't be taken for a new one.
  private mutating func evictOldest() {
    let client = clients.removeFirst()
    sessions.removeFirst()
    floorMilliseconds = max(floorMilliseconds, client.createdMilliseconds)
    forgotten.append(client)
  }

  private mutating func noteChange(_ position: Int) {
    guard !sessions[position].isChanged else { return }
    sessions[position].isChanged = true
    changed.append(clients[position])
  }

  // MARK: Rows

  /// False where its row was known to differ before.
  mutating func markDirty(at position: Int) -> Bool {
    guard !sessions[position].isDirty else { return false }
    sessions[position].isDirty = true
    return true
  }

  mutating func markClean(at position: Int) { sessions[position].isDirty = false }

  /// The batch is written: from now on its changes are those of the past.
  mutating func batchEnded() {
    for client in changed {
      if let position = index(of: client) { sessions[position].batchEnded() }
    }
    changed.removeAll(keepingCapacity: true)
    forgotten.removeAll(keepingCapacity: true)
  }

  /// Repeats a change that the rows do not have yet; the position of its session.
  mutating func replay(_ change: SessionChange) throws(WireError) -> Int {
    let position =
      index(of: change.client)
      ?? insert(
        Session(client: change.client, lowestUnacknowledged: change.lowestUnacknowledged))
    _ = sessions[position].acknowledge(below: change.lowestUnacknowledged)
    for kept in change.results {
      guard kept.sequence >= sessions[position].lowestUnacknowledged,
        sessions[position].result(of: kept.sequence) == nil,
        sessions[position].results.count < Limits.resultsPerSession
      else { throw .invalid("session change: it does not follow") }
      sessions[position].keep(kept.result, of: kept.sequence)
    }
    sessions[position].batchEnded()
    return position
  }

  /// The position that it has now.
  mutating func insert(_ session: Session) -> Int {
    let position = position(of: session.client)
    clients.insert(session.client, at: position)
    sessions.insert(session, at: position)
    return position
  }
}
