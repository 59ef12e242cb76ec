internal import KVBase
internal import KVCommand

/// A command of a session, as its entry has it.
struct SessionUse {
  var stamp: SessionStamp
  var fingerprint: UInt64
  var index: LogIndex
  /// Of the group, with this entry.
  var logTimeMilliseconds: UInt64
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
///
/// **Why a retry never takes effect again.** A client that the table has is answered from its
/// session. One that it lacks is new, or was evicted. Eviction raises the floor to the creation
/// time of whom it evicts, so whoever is above the floor was never evicted, and is new.
///
/// **Why nobody is locked out.** The floor never passes log time, since a session whose creation
/// time is ahead of log time is not evicted; and of those there is never more than a part
/// (`Limits.sessionsAhead`), so there is always another one to evict. Hence a client that is
/// created anew, just above the floor or at log time, is admitted: a refusal names that time
/// (`renewAt`).
struct SessionTable {
  /// Clients created at or before this and unknown here are refused.
  var floorMilliseconds: UInt64 = 0
  /// Sorted, and beside each its session: a search touches this array only.
  private(set) var clients: [ClientID] = []
  private(set) var sessions: [Session] = []
  /// Beside each its `Session.rank`: eviction touches this array only.
  private var ranks: [UInt64] = []
  private let limit: Int
  #if PlantedFaults
    var plantedFault: PlantedFault?
  #endif

  /// Clients whose sessions the present batch changed, each once; it may have evicted some of them.
  private(set) var changed: [ClientID] = []
  /// Clients that the present batch evicted.
  private(set) var forgotten: [ClientID] = []

  init(limit: Int = Limits.sessionsPerGroup) {
    precondition(limit >= 2, "a table of \(limit) sessions: 2 at least")
    self.limit = limit
  }

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

  /// How many were created at or before `time`: they are the first.
  private func countCreated(through time: UInt64) -> Int {
    time == .max ? count : position(of: ClientID(createdMilliseconds: time + 1, random: 0))
  }

  // MARK: Commands

  /// Judges a command by its stamp, and forgets what its client acknowledges with it.
  mutating func admit(_ use: SessionUse) -> Admission {
    let stamp = use.stamp
    guard let position = index(of: stamp.client) else { return admitUnknown(use) }
    noteUse(position, at: use.index, acknowledgingBelow: stamp.lowestUnacknowledged)
    guard stamp.sequence >= sessions[position].lowestUnacknowledged else {
      return .answer(.sequenceTooLow)
    }
    if let kept = sessions[position].kept(stamp.sequence) {
      return .answer(isSame(kept, use) ? kept.result : .sequenceReused)
    }
    guard sessions[position].results.count < Limits.resultsPerSession else {
      return .answer(.tooManyUnacknowledged)
    }
    return .execute(position: position)
  }

  private func isSame(_ kept: KeptResult, _ use: SessionUse) -> Bool {
    #if PlantedFaults
      if plantedFault == .fingerprintIgnored { return true }
    #endif
    return kept.fingerprint == use.fingerprint
  }

  private mutating func admitUnknown(_ use: SessionUse) -> Admission {
    let stamp = use.stamp
    let created = stamp.client.createdMilliseconds
    let logTime = use.logTimeMilliseconds
    // Above the floor, and, where that is possible, not ahead of log time.
    let renewAt = max(floorMilliseconds &+ 1, logTime)
    guard created > floorMilliseconds else { return .answer(.sessionExpired(renewAt: renewAt)) }
    guard stamp.sequence >= stamp.lowestUnacknowledged else { return .answer(.sequenceTooLow) }
    if created > logTime, count - countCreated(through: logTime) >= Limits.sessionsAhead(of: limit)
    {
      return .answer(.createdAhead(renewAt: renewAt))
    }
    while clients.count >= limit {
      guard evictFirst(asOf: logTime) else { return .answer(.createdAhead(renewAt: renewAt)) }
    }
    let session = Session(
      client: stamp.client, lowestUnacknowledged: stamp.lowestUnacknowledged, lastUse: use.index)
    return .execute(position: insert(session))
  }

  /// Keeps the result of a command that was admitted at `position`. The command may have expired
  /// sessions, its own among them: then nothing is kept.
  mutating func keep(_ result: CommandResult, of use: SessionUse, admittedAt position: Int) {
    var position = position
    if position >= clients.count || clients[position] != use.stamp.client {
      guard let found = index(of: use.stamp.client) else { return }
      position = found
    }
    sessions[position].keep(
      KeptResult(
        sequence: use.stamp.sequence, fingerprint: use.fingerprint, result: result))
    noteChange(position)
  }

  /// The client has left: it is the first to be evicted, and until then what still arrives of it is
  /// refused. A client that is unknown here leaves nothing.
  mutating func end(_ client: ClientID, at index: LogIndex) {
    guard let position = self.index(of: client) else { return }
    noteUse(position, at: index, acknowledgingBelow: Session.ended)
  }

  /// Forgets clients created at or before a time, log time at most, and raises the floor to it.
  mutating func expire(throughMilliseconds time: UInt64, logTimeMilliseconds: UInt64) {
    let time = min(time, logTimeMilliseconds)
    floorMilliseconds = max(floorMilliseconds, time)
    for position in (0..<countCreated(through: time)).reversed() { evict(position) }
  }

  /// Evicts the session of the lowest rank whose creation time log time has reached. False: there
  /// is none. A search through all: 4,096 numbers beside each other take some microseconds, and
  /// only a client that is new waits for it.
  private mutating func evictFirst(asOf logTime: UInt64) -> Bool {
    let end = countCreated(through: logTime)
    guard end > 0 else { return false }
    var first = 0
    for position in 1..<end where ranks[position] < ranks[first] { first = position }
    evict(first)
    return true
  }

  /// The floor rises to what is evicted, so that its client can't be taken for a new one.
  private mutating func evict(_ position: Int) {
    let client = clients.remove(at: position)
    sessions.remove(at: position)
    ranks.remove(at: position)
    forgotten.append(client)
    #if PlantedFaults
      if plantedFault == .evictedWithoutFloor { return }
    #endif
    floorMilliseconds = max(floorMilliseconds, client.createdMilliseconds)
  }

  private mutating func noteUse(
    _ position: Int, at index: LogIndex, acknowledgingBelow watermark: UInt64
  ) {
    sessions[position].use(at: index)
    sessions[position].acknowledge(below: watermark)
    ranks[position] = sessions[position].rank
    noteChange(position)
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

  #if PlantedFaults
    mutating func forgetLastUses() {
      for position in ranks.indices {
        sessions[position].use(at: .zero)
        ranks[position] = sessions[position].rank
      }
    }
  #endif

  /// Repeats a change that the rows do not have yet; the position of its session.
  mutating func replay(_ change: SessionChange) throws(WireError) -> Int {
    let position =
      index(of: change.client)
      ?? insert(
        Session(
          client: change.client, lowestUnacknowledged: change.lowestUnacknowledged,
          lastUse: change.lastUse))
    sessions[position].use(at: change.lastUse)
    sessions[position].acknowledge(below: change.lowestUnacknowledged)
    ranks[position] = sessions[position].rank
    for kept in change.results {
      guard kept.sequence >= sessions[position].lowestUnacknowledged,
        sessions[position].kept(kept.sequence) == nil,
        sessions[position].results.count < Limits.resultsPerSession
      else { throw .invalid("session change: it does not follow") }
      sessions[position].keep(kept)
    }
    sessions[position].batchEnded()
    return position
  }

  /// The position that it has now.
  mutating func insert(_ session: Session) -> Int {
    let position = position(of: session.client)
    clients.insert(session.client, at: position)
    sessions.insert(session, at: position)
    ranks.insert(session.rank, at: position)
    return position
  }
}
