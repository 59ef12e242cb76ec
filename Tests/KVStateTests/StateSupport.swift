import KVBase
import KVCommand
import KVState
import Testing

let firstGeneration = Generation(1)
let threeVoters = GroupConfiguration(voters: [1, 2, 3].map { ReplicaID(rawValue: $0) })

func encoded(_ command: Command) -> Bytes {
  var writer = ByteWriter()
  command.encode(into: &writer)
  return writer.take()
}

/// A group's log as a leader would write it.
struct StateTestLog {
  let group: GroupID
  var entries: [LogEntry] = []
  var term = Term(1)
  /// The log time of what is appended from now on.
  var time: UInt64

  init(_ group: GroupID, time: UInt64 = 1_000) {
    self.group = group
    self.time = time
  }

  var lastIndex: LogIndex { entries.last?.index ?? .zero }

  @discardableResult
  mutating func append(_ kind: EntryKind, _ payload: Bytes = Bytes()) -> LogEntry {
    let entry = LogEntry(
      index: lastIndex.next, term: term, kind: kind, logTimeMilliseconds: time, payload: payload)
    entries.append(entry)
    return entry
  }

  @discardableResult
  mutating func append(_ body: CommandBody, _ session: SessionStamp = .none) -> LogEntry {
    append(.command, encoded(Command(session: session, body: body)))
  }

  /// The entries after `index` up to `through`.
  func request(
    after index: LogIndex, through: LogIndex? = nil, generation: Generation = firstGeneration
  ) -> ApplyRequest {
    let end = through ?? lastIndex
    return ApplyRequest(
      group: group, generation: generation,
      entries: entries.filter { $0.index > index && $0.index <= end })
  }
}

/// The first version of a map: so many members that are not met yet, and one partition.
func formed(
  _ id: UInt64 = 1, members: Int = 2, mode: KeyspaceMode = .cp
) -> ClusterMap {
  let ids = (1...members).map { NodeID(UInt32($0)) }
  let set = ReplicaSet(epoch: Epoch(1), voters: [ReplicaID(node: ids[0])])
  return ClusterMap(
    forming: id, members: ids.map { MemberRecord(node: $0, incarnation: 0, address: "") },
    replicaSets: [set, set], defaultMode: mode)
}

extension StateMachines {
  func createGroup(_ group: GroupID, meta: ClusterMap? = nil) throws {
    _ = try create(
      group, generation: firstGeneration, configuration: threeVoters, meta: meta)
  }

  /// Applies one command and answers its result.
  func apply(
    _ body: CommandBody, _ session: SessionStamp = .none, to log: inout StateTestLog
  ) throws -> CommandResult {
    let entry = log.append(body, session)
    let results = try apply([log.request(after: entry.index.previous)])
    return try #require(results.first?.results.first)
  }

  func get(_ group: GroupID, _ key: Bytes, _ keyspace: KeyspaceID = .default) throws -> Record? {
    let result = try read(group, .get(keyspace: keyspace, key: key), tier: .all)
    guard case .record(let record)? = result else {
      Issue.record("\(String(describing: result)) where a record was expected")
      return nil
    }
    return record
  }

  /// All chunks of a snapshot of the group as it is now.
  func snapshot(_ group: GroupID, maxBytes: Int = 512) throws -> [Bytes] {
    let reader = try #require(try beginSnapshot(group))
    var chunks: [Bytes] = []
    var cursor: Bytes? = Bytes()
    while let position = cursor {
      let (bytes, next) = try reader.chunk(at: position, maxBytes: maxBytes)
      chunks.append(bytes)
      cursor = next
    }
    return chunks
  }

  /// Installs the chunks and answers from them.
  @discardableResult
  func install(
    _ chunks: [Bytes], _ group: GroupID, _ generation: Generation
  ) throws -> GroupStatus {
    try beginInstall(group, generation: generation)
    for chunk in chunks { try installChunk(group, generation: generation, chunk: chunk) }
    let status = try finishInstall(group, generation: generation)
    try activate(group, generation: generation)
    return status
  }
}

/// What a group must do, written as plainly as can be: dictionaries, one command at a time.
struct DumbGroup {
  struct Known {
    var low: UInt64
    var lastUse: LogIndex
    var results: [UInt64: (body: CommandBody, result: CommandResult)]
  }

  var records: [KeyspaceID: [Bytes: Record]] = [:]
  var dropped: Set<KeyspaceID> = []
  var sessions: [ClientID: Known] = [:]
  var floor: UInt64 = 0
  var limit = Limits.sessionsPerGroup
  /// Log time, which the caller moves with the entries.
  var time: UInt64

  init(time: UInt64) { self.time = time }

  mutating func apply(_ command: Command, at index: LogIndex) -> CommandResult {
    let stamp = command.session
    guard stamp.client != .none else { return execute(command.body, index) }
    if command.body == .endSession {
      if sessions[stamp.client] != nil {
        sessions[stamp.client] = Known(low: .max, lastUse: index, results: [:])
      }
      return .done
    }
    if let known = sessions[stamp.client] {
      let low = max(known.low, stamp.lowestUnacknowledged)
      let kept = known.results.filter { $0.key >= low }
      sessions[stamp.client] = Known(low: low, lastUse: index, results: kept)
      if stamp.sequence < low { return .sequenceTooLow }
      if let first = kept[stamp.sequence] {
        return first.body == command.body ? first.result : .sequenceReused
      }
      if kept.count >= Limits.resultsPerSession { return .tooManyUnacknowledged }
    } else {
      if let refusal = admit(stamp) { return refusal }
      sessions[stamp.client] = Known(
        low: stamp.lowestUnacknowledged, lastUse: index, results: [:])
    }
    let result = execute(command.body, index)
    sessions[stamp.client]?.results[stamp.sequence] = (command.body, result)
    return result
  }

  private mutating func admit(_ stamp: SessionStamp) -> CommandResult? {
    let created = stamp.client.createdMilliseconds
    let renewAt = max(floor + 1, time)
    if created <= floor { return .sessionExpired(renewAt: renewAt) }
    if stamp.sequence < stamp.lowestUnacknowledged { return .sequenceTooLow }
    let ahead = sessions.keys.filter { $0.createdMilliseconds > time }.count
    if created > time, ahead >= max(1, limit / 4) { return .createdAhead(renewAt: renewAt) }
    guard sessions.count >= limit else { return nil }
    let first = sessions.filter { $0.key.createdMilliseconds <= time }
      .min { a, b in
        (a.value.low == .max ? 0 : 1, a.value.lastUse)
          < (b.value.low == .max ? 0 : 1, b.value.lastUse)
      }
    guard let first else { return .createdAhead(renewAt: renewAt) }
    sessions[first.key] = nil
    floor = max(floor, first.key.createdMilliseconds)
    return nil
  }

  private mutating func execute(_ body: CommandBody, _ index: LogIndex) -> CommandResult {
    if case .dropKeyspaceRecords(let keyspace) = body {
      dropped.insert(keyspace)
      records[keyspace] = nil
      return .done
    }
    if case .expireSessions(let wanted) = body {
      let time = min(wanted, time)
      floor = max(floor, time)
      sessions = sessions.filter { $0.key.createdMilliseconds > time }
      return .done
    }
    guard case .mutate(let keyspace, let key, let mutation) = body else { return .noSuchKeyspace }
    if dropped.contains(keyspace) { return .keyspaceDropped }
    let current = records[keyspace]?[key]
    switch mutation {
    case .put(let put):
      if !holds(put.condition, current) {
        return .conditionFailed(current: current?.version ?? .zero)
      }
      records[keyspace, default: [:]][key] = Record(version: index, value: put.value.detached())
      return .written(version: index)
    case .delete(let delete):
      if !holds(delete.condition, current) {
        return .conditionFailed(current: current?.version ?? .zero)
      }
      records[keyspace]?[key] = nil
      return .deleted(existed: current != nil, version: index)
    case .add(let add):
      let text = current.map { $0.value.text ?? "?" } ?? "0"
      guard let value = Int64(text), String(value) == text else { return .notAnInteger }
      let (sum, overflow) = value.addingReportingOverflow(add.delta)
      if overflow || sum < add.minimum || sum > add.maximum { return .outOfBounds(current: value) }
      records[keyspace, default: [:]][key] = Record(version: index, value: Bytes("\(sum)"))
      return .added(value: sum, version: index)
    case .append(let append):
      let value = (current?.value.array ?? []) + append.suffix.array
      if value.count > 1_048_576 {
        return .valueTooLong(current: UInt32(current?.value.count ?? 0))
      }
      records[keyspace, default: [:]][key] = Record(version: index, value: Bytes(value))
      return .appended(length: UInt32(value.count), version: index)
    }
  }

  private func holds(_ condition: Condition, _ current: Record?) -> Bool {
    switch condition {
    case .always: true
    case .ifAbsent: current == nil
    case .ifPresent: current != nil
    case .ifVersion(let version): current.map { $0.version == version } ?? (version == .zero)
    case .ifValue(let value): current.map { $0.value == value } ?? false
    }
  }
}

/// Clients that retry, repeat, forget, and lag behind, at random.
struct RandomClients {
  struct Client {
    var id: ClientID
    var sent: [Command] = []
    var low: UInt64 = 1
  }
  var clients: [Client]
  var time: UInt64 = 10_000
  /// Of each client a new one takes its place after about so many commands.
  var lifetime: UInt64 = 60
  /// Whether some appends reach the limit of a value.
  var appendsLong = false

  init(_ count: Int, _ random: inout SeededRandom) {
    clients = []
    for _ in 0..<count { clients.append(Client(id: newID(&random))) }
  }

  private mutating func newID(_ random: inout SeededRandom) -> ClientID {
    time += random.below(50)
    return ClientID(createdMilliseconds: time, random: random.next())
  }

  mutating func next(_ random: inout SeededRandom) -> Command {
    if random.chance(1, in: 12) { return Command(session: .none, body: body(&random)) }
    let at = Int(random.below(UInt64(clients.count)))
    if random.chance(1, in: lifetime) { clients[at] = Client(id: newID(&random)) }
    let client = clients[at]
    if !client.sent.isEmpty, random.chance(1, in: 3) {
      // A retry, mostly of something recent; its body is what it was.
      let back = min(client.sent.count, 1 + Int(random.below(6)))
      var retry = client.sent[client.sent.count - back]
      if random.chance(1, in: 2) { retry.session.lowestUnacknowledged = client.low }
      // Now and then the number is used for another command.
      if random.chance(1, in: 12) { retry.body = body(&random) }
      return retry
    }
    if random.chance(1, in: 50) {
      let stamp = SessionStamp(client: client.id, sequence: 0, lowestUnacknowledged: 0)
      return Command(session: stamp, body: .endSession)
    }
    // Now and then a gap: sequences count over all groups.
    let sequence = (client.sent.last?.session.sequence ?? 0) + 1 + random.below(2)
    if random.chance(1, in: 3) {
      clients[at].low = min(sequence, client.low + random.below(4))
    }
    let command = Command(
      session: SessionStamp(
        client: client.id, sequence: sequence, lowestUnacknowledged: clients[at].low),
      body: body(&random))
    clients[at].sent.append(command)
    return command
  }

  private func body(_ random: inout SeededRandom) -> CommandBody {
    let keyspace = KeyspaceID(UInt32(1 + random.below(4)))
    let key = Bytes("key \(random.below(12))")
    let number = Bytes("\(Int64(bitPattern: random.next()) >> random.below(64))")
    switch random.below(200) {
    case 0: return .expireSessions(createdThroughMilliseconds: time - random.below(400))
    case 1: return .dropKeyspaceRecords(KeyspaceID(UInt32(3 + random.below(2))))
    case 2..<50:
      return .mutate(
        keyspace: keyspace, key: key,
        .add(delta: Int64(random.below(20)) - 8, minimum: -20, maximum: .max))
    case 50..<60: return .mutate(keyspace: keyspace, key: key, .append(suffix: "0"))
    case 60..<62:
      let long = Bytes([UInt8](repeating: 48, count: appendsLong ? Limits.valueBytes / 2 + 1 : 5))
      return .mutate(keyspace: keyspace, key: key, .append(suffix: long))
    case 62..<95:
      return .mutate(keyspace: keyspace, key: key, .delete(condition: condition(&random, number)))
    default:
      return .mutate(
        keyspace: keyspace, key: key,
        .put(
          value: random.chance(1, in: 3) ? Bytes("not a number") : number,
          condition: condition(&random, number)))
    }
  }

  private func condition(_ random: inout SeededRandom, _ value: Bytes) -> Condition {
    switch random.below(8) {
    case 0: .ifAbsent
    case 1: .ifPresent
    case 2: .ifVersion(LogIndex(random.below(300)))
    case 3: .ifValue(random.chance(1, in: 2) ? "not a number" : value)
    default: .always
    }
  }
}
