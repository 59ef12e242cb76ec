import KVBase
import KVCommand
import KVWire

/// The first byte seeds how the rest is cut into chunks.
@Sendable func runFrames(_ bytes: Bytes) -> Bool {
  guard let seed = bytes.isEmpty ? nil : bytes[0] else { return false }
  var random = SeededRandom(seed: UInt64(seed))
  var decoder = FrameDecoder(limit: 1 << 16)
  var wellFormed = false
  var start = 1
  while start < bytes.count {
    let size = seed == 0 ? bytes.count : 1 + Int(random.below(48))
    let end = min(bytes.count, start + size)
    decoder.feed(bytes[start..<end])
    start = end
    do {
      while let frame = try decoder.next() {
        wellFormed = true
        check(frame)
      }
    } catch { return false }
    precondition(decoder.bufferedBytes < 1 << 16, "\(decoder.bufferedBytes) bytes buffered")
    precondition(
      decoder.reservedBytes <= 4 * decoder.bufferedBytes + 64,
      "\(decoder.reservedBytes) bytes taken for \(decoder.bufferedBytes)")
  }
  return wellFormed
}

/// What was decoded is decoded again from its own encoding.
private func check(_ frame: Frame) {
  var writer = ByteWriter()
  FrameEncoder.append(frame, into: &writer)
  var decoder = FrameDecoder()
  decoder.feed(writer.take())
  let again = try? decoder.next()
  precondition(again == frame, "\(frame) became \(String(describing: again))")
}

@Sendable func frameSeeds() -> [[UInt8]] {
  var seeds: [[UInt8]] = []
  for type in FrameType.allCases {
    for flags in type == .peer ? [FrameFlags.checksum] : [.checksum, []] {
      var writer = ByteWriter()
      writer.append(type.rawValue)
      for stream in 1...3 as ClosedRange<UInt32> {
        let payload = Bytes([UInt8](repeating: 7, count: Int(stream) * 20))
        FrameEncoder.append(
          Frame(type: type, flags: flags, stream: stream, payload: payload), into: &writer)
      }
      seeds.append(writer.bytes)
    }
  }
  return seeds
}

let sampleSession = SessionStamp(
  client: ClientID(createdMilliseconds: 1_700_000_000_000, random: 42), sequence: 7,
  lowestUnacknowledged: 3)
let sampleMember = MemberRecord(node: NodeID(3), incarnation: 99, address: "127.0.0.1:7403")
let sampleKeyspace = KeyspaceDescriptor(id: KeyspaceID(5), name: "carts", mode: .ap)

@Sendable func commandSamples() -> [Command] {
  let conditions: [Condition] = [
    .always, .ifAbsent, .ifPresent, .ifVersion(LogIndex(8)), .ifValue("old"),
  ]
  var bodies: [CommandBody] = conditions.map {
    .mutate(keyspace: .default, key: "key", .put(value: "value", condition: $0))
  }
  bodies += conditions.map { .mutate(keyspace: .default, key: "key", .delete(condition: $0)) }
  bodies += [
    .mutate(keyspace: .default, key: "n", .add(delta: -1, minimum: 0, maximum: 10)),
    .mutate(keyspace: .default, key: "j", .append(suffix: "tail")),
    .dropKeyspaceRecords(KeyspaceID(4)), .expireSessions(createdThroughMilliseconds: 12),
    .endSession,
    .meta(.createKeyspace(name: "carts", mode: .ap)), .meta(.dropKeyspace(name: "carts")),
    .meta(.registerMember(sampleMember)), .meta(.form(mapSamples()[1])),
  ]
  return bodies.map { Command(session: sampleSession, body: $0) }
}

@Sendable func resultSamples() -> [CommandResult] {
  [
    .written(version: LogIndex(9)), .deleted(existed: true, version: LogIndex(9)),
    .added(value: -4, version: LogIndex(9)), .conditionFailed(current: LogIndex(2)),
    .outOfBounds(current: 3), .notAnInteger, .keyspaceDropped,
    .sessionExpired(renewAt: 8), .sequenceTooLow, .createdAhead(renewAt: 8), .sequenceReused,
    .tooManyUnacknowledged, .done, .keyspace(sampleKeyspace), .keyspaceExists(sampleKeyspace),
    .noSuchKeyspace, .tooManyKeyspaces, .invalidName, .incarnationConflict(recorded: 6),
    .appended(length: 12, version: LogIndex(9)), .valueTooLong(current: 12),
  ]
}

@Sendable func mapSamples() -> [ClusterMap] {
  let set = ReplicaSet(epoch: Epoch(1), voters: [ReplicaID(node: NodeID(1))])
  var full = ClusterMap(
    forming: 77, members: [sampleMember], replicaSets: [set, set, set], defaultMode: .cp)
  full.keyspaces.append(sampleKeyspace)
  full.dropped = [KeyspaceID(2), KeyspaceID(3)]
  return [.unformed, full]
}

@Sendable func entrySamples() -> [LogEntry] {
  [EntryKind.noop, .command, .configuration].map {
    LogEntry(
      index: LogIndex(5), term: Term(2), kind: $0, logTimeMilliseconds: 1_700_000_000_000,
      payload: "payload")
  }
}
