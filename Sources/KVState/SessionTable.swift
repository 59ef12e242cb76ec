package import KVBase
package import KVCommand

/// A result that a client has not acknowledged.
package struct KeptResult: Hashable, Sendable {
  package var sequence: UInt64
  package var result: CommandResult
}

/// What a group remembers of one client, so that its retries take effect once.
package final class Session {
  package let client: ClientID
  /// The highest watermark that the client sent: what is below is forgotten and refused.
  package private(set) var lowestUnacknowledged: UInt64
  /// By rising sequence, none below the watermark.
  package private(set) var results: [KeptResult]
  /// Results of the present batch.
  package private(set) var fresh: [KeptResult] = []
  /// The present batch changed it.
  var isTouched = false
  /// It differs from its row; the journal has the rest.
  var isDirty = false
  /// It was evicted, and its row is gone.
  var isForgotten = false

  init(client: ClientID, lowestUnacknowledged: UInt64, results: [KeptResult] = []) {
    self.client = client
    self.lowestUnacknowledged = lowestUnacknowledged
    self.results = results
  }

  /// Forgets what the client no longer waits for. True where that changed something.
  func acknowledge(below watermark: UInt64) -> Bool {
    guard watermark > lowestUnacknowledged else { return false }
    lowestUnacknowledged = watermark
    let kept = position(of: watermark)
    if kept > 0 { results.removeFirst(kept) }
    return true
  }

  func result(of sequence: UInt64) -> CommandResult? {
    let found = position(of: sequence)
    return found < results.count && results[found].sequence == sequence
      ? results[found].result : nil
  }

  func keep(_ result: CommandResult, of sequence: UInt64) {
    let kept = KeptResult(sequence: sequence, result: result)
    results.insert(kept, at: position(of: sequence))
    fresh.append(kept)
  }

  /// The batch is written.
  func settle() {
    fresh.removeAll(keepingCapacity: true)
    isTouched = false
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
  case execute(Session)
  /// A retry, or a refusal: nothing is to be done.
  case answer(CommandResult)
}

/// The sessions of one group. A function of the group's entries alone: equal on all replicas.
struct SessionTable {
  /// Clients created at or before this and unknown here are refused.
  var floorMilliseconds: UInt64 = 0
  /// Sorted, and beside each its session: a search touches this array only.
  private(set) var clients: [ClientID] = []
  private(set) var sessions: [Session] = []
  private let limit: Int

  init(limit: Int = Limits.sessionsPerGroup) { self.limit = limit }

  var count: Int { clients.count }

  /// The place of the first client at or above `client`.
  func firstIndex(from client: ClientID) -> Int { position(of: client) }

  /// Judges a command by its stamp. Sessions evicted to make room, and those whose watermark
  /// moved, go to `forgotten` and `changed`.
  mutating func admit(
    _ stamp: SessionStamp, changed: inout [Session], forgotten: inout [ClientID]
  ) -> Admission {
    let place = position(of: stamp.client)
    guard place < clients.count, clients[place] == stamp.client else {
      return admitUnknown(stamp, forgotten: &forgotten)
    }
    let session = sessions[place]
    if session.acknowledge(below: stamp.lowestUnacknowledged) { session.mark(&changed) }
    guard stamp.sequence >= session.lowestUnacknowledged else { return .answer(.sequenceTooLow) }
    if let result = session.result(of: stamp.sequence) { return .answer(result) }
    guard session.results.count < Limits.resultsPerSession else {
      return .answer(.tooManyUnacknowledged)
    }
    return .execute(session)
  }

  private mutating func admitUnknown(
    _ stamp: SessionStamp, forgotten: inout [ClientID]
  ) -> Admission {
    guard stamp.client.createdMilliseconds > floorMilliseconds else {
      return .answer(.sessionExpired)
    }
    guard stamp.sequence >= stamp.lowestUnacknowledged else { return .answer(.sequenceTooLow) }
    while clients.count >= limit { forgotten.append(evictOldest()) }
    let session = Session(
      client: stamp.client, lowestUnacknowledged: stamp.lowestUnacknowledged)
    insert(session)
    return .execute(session)
  }

  /// The floor rises to what is evicted, so that its client can't be taken for a new one.
  private mutating func evictOldest() -> ClientID {
    let client = clients.removeFirst()
    sessions.removeFirst().isForgotten = true
    floorMilliseconds = max(floorMilliseconds, client.createdMilliseconds)
    return client
  }

  /// Forgets clients created at or before a time and raises the floor to it.
  mutating func expire(throughMilliseconds time: UInt64, forgotten: inout [ClientID]) {
    floorMilliseconds = max(floorMilliseconds, time)
    while let oldest = clients.first, oldest.createdMilliseconds <= time {
      forgotten.append(evictOldest())
    }
  }

  /// Repeats a change that the rows do not have yet; answers the session, for its row is behind.
  mutating func replay(_ change: SessionChange) throws(WireError) -> Session {
    let place = position(of: change.client)
    let session: Session
    if place < clients.count, clients[place] == change.client {
      session = sessions[place]
    } else {
      session = Session(
        client: change.client, lowestUnacknowledged: change.lowestUnacknowledged)
      insert(session)
    }
    _ = session.acknowledge(below: change.lowestUnacknowledged)
    for kept in change.results {
      guard kept.sequence >= session.lowestUnacknowledged,
        session.result(of: kept.sequence) == nil,
        session.results.count < Limits.resultsPerSession
      else { throw .invalid("session change: it does not follow") }
      session.keep(kept.result, of: kept.sequence)
    }
    session.settle()
    return session
  }

  mutating func insert(_ session: Session) {
    let place = position(of: session.client)
    clients.insert(session.client, at: place)
    sessions.insert(session, at: place)
  }

  /// The first client at or above `client`.
  private func position(of client: ClientID) -> Int {
    var low = 0
    var high = clients.count
    while low < high {
      let middle = (low + high) / 2
      if clients[middle] < client { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension Session {
  /// Notes once a batch that it changed.
  func mark(_ changed: inout [Session]) {
    guard !isTouched else { return }
    isTouched = true
    changed.append(self)
  }
}
