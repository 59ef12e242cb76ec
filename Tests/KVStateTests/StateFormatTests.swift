import KVBase
import KVCommand
import KVState
import Testing

/// The bytes on disk. Where one of these changes, the data of earlier builds can't be read: that
/// takes a new version byte and a reader for both.
@Suite struct StateFormatTests {
  private let key = StateKey(GroupID(0x0102), Generation(3))
  private let prefix = "63" + "00000102" + "00000003"

  @Test func keys() {
    let client = ClientID(createdMilliseconds: 0x11, random: 0x22)
    #expect(Bytes(key.prefix).hexadecimal == prefix)
    #expect(key.progress(slot: 9).hexadecimal == prefix + "010109")
    #expect(key.meta(.configuration).hexadecimal == prefix + "0102")
    #expect(key.meta(.droppedKeyspaces).hexadecimal == prefix + "0103")
    #expect(key.meta(.map).hexadecimal == prefix + "0104")
    #expect(
      key.session(client).hexadecimal == prefix + "02" + "0000000000000011" + "0000000000000022")
    #expect(
      key.record(KeyspaceID(5), "ab").hexadecimal == prefix + "03" + "00000005" + "6162")
    #expect(StateKey.userKey(in: key.record(KeyspaceID(5), "ab")) == "ab")
  }

  @Test func rangesHoldTheirRowsAndNoOthers() {
    let rows = [
      key.meta(.progress), key.session(ClientID(createdMilliseconds: .max, random: .max)),
      key.record(KeyspaceID(0), "a"), key.record(KeyspaceID(.max), Bytes([0xFF, 0xFF])),
    ]
    let others = [
      StateKey(GroupID(0x0102), Generation(4)), StateKey(GroupID(0x0103), Generation(0)),
    ]
    for row in rows {
      #expect(key.range.from <= row && row < key.range.to)
      let all = StateKey.range(of: GroupID(0x0102))
      #expect(all.from <= row && row < all.to)
    }
    for other in others { #expect(other.meta(.progress) >= key.range.to) }
    #expect(others[1].meta(.progress) >= StateKey.range(of: GroupID(0x0102)).to)
    let last = StateKey(GroupID(0x0102), Generation(.max)).record(KeyspaceID(.max), "z")
    #expect(last < StateKey.range(of: GroupID(0x0102)).to)
    for keyspace in [KeyspaceID(0), KeyspaceID(7), KeyspaceID(.max)] {
      let range = key.records(of: keyspace)
      #expect(range.from <= key.record(keyspace, Bytes([0])))
      #expect(key.record(keyspace, Bytes([UInt8](repeating: 0xFF, count: 40))) < range.to)
    }
    #expect(key.record(KeyspaceID(8), Bytes([0])) >= key.records(of: KeyspaceID(7)).to)
  }

  @Test func aRecord() throws {
    var writer = ByteWriter()
    RecordFormat.appendHeader(version: LogIndex(0x0A0B), expiryMilliseconds: 0, to: &writer)
    writer.append(raw: Bytes("val"))
    let stored = writer.take()
    #expect(stored.hexadecimal == "01" + "0000000000000a0b" + "0000000000000000" + "76616c")
    #expect(try RecordFormat.decode(stored) == Record(version: LogIndex(0x0A0B), value: "val"))
    #expect(throws: WireError.self) { try RecordFormat.decode("\u{2}3456789012345678") }
    #expect(throws: WireError.self) { try RecordFormat.decode(stored[0..<16]) }
  }

  /// What apply writes is what the formats say: read from the store itself.
  @Test func rowsAsApplyWritesThem() throws {
    let group = GroupID(0x0102)
    let machines = StateMachines(store: MemoryState())
    _ = try machines.create(
      group, generation: Generation(3), configuration: threeVoters, meta: nil)
    var log = StateTestLog(group)
    log.term = Term(2)
    log.time = 0x77
    let client = ClientID(createdMilliseconds: 0x11, random: 0x22)
    log.append(
      .mutate(keyspace: KeyspaceID(5), key: "k", .put(value: "v")),
      SessionStamp(client: client, sequence: 9, lowestUnacknowledged: 8))
    log.append(.dropKeyspaceRecords(KeyspaceID(6)))
    log.append(.expireSessions(createdThroughMilliseconds: 0x10))
    let result = try machines.apply([log.request(after: .zero, generation: Generation(3))])[0]
    let rows = try machines.store.makeView().all()
    let zero = "0000000000000000"
    let digest = Bytes([UInt8]((0..<8).map { UInt8(result.digest >> (56 - 8 * $0) & 255) }))
    #expect(
      rows.map { $0.key.hexadecimal + " " + $0.value.hexadecimal } == [
        // As it was created, then the batch with its part of the journal.
        prefix + "010100 " + "02" + zero + zero + zero + zero + zero + zero + "00000000",
        prefix + "010101 " + "02" + "0000000000000003" + "0000000000000002"
          + "0000000000000077" + digest.hexadecimal + "0000000000000010" + zero + "00000001"
          + "0000000000000011" + "0000000000000022" + "0000000000000008"
          + "0000000000000001" + "00000001" + "0000000000000009" + "74b46e341a377d84"
          + "010000000000000001",
        prefix + "0102 " + "01" + "00000003" + "0000000000000001" + "0000000000000002"
          + "0000000000000003" + "00000000" + "00000000",
        prefix + "0103 " + "02" + "00000001" + "00000006" + "00000006",
        prefix + "03" + "00000005" + "6b " + "01" + "0000000000000001" + "0000000000000000"
          + "76",
      ])
  }

  /// A session's own row is written when the journal is full.
  @Test func aSessionRow() throws {
    let group = GroupID(0x0102)
    let machines = StateMachines(store: MemoryState())
    _ = try machines.create(
      group, generation: Generation(3), configuration: threeVoters, meta: nil)
    var log = StateTestLog(group)
    let client = ClientID(createdMilliseconds: 0x11, random: 0x22)
    for sequence in 9..<137 as Range<UInt64> {
      #expect(try machines.store.makeView().get(key.session(client)) == nil)
      log.append(
        .expireSessions(createdThroughMilliseconds: 1),
        SessionStamp(
          client: client, sequence: sequence, lowestUnacknowledged: max(9, sequence - 1)))
      let last = log.lastIndex.previous
      _ = try machines.apply([log.request(after: last, generation: Generation(3))])
    }
    let row = try machines.store.makeView().get(key.session(client))
    #expect(
      row?.hexadecimal == "02" + "0000000000000087" + "0000000000000080" + "00000002"
        + "0000000000000087" + "f36b4a1a44f78be2" + "0b" + "0000000000000088"
        + "f36b4a1a44f78be2" + "0b")
  }

  /// One image, whole: a head, a session, a record.
  @Test func aSnapshot() throws {
    let group = GroupID(0x0102)
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(group)
    var log = StateTestLog(group)
    let client = ClientID(createdMilliseconds: 0x11, random: 0x22)
    _ = try machines.apply(
      .mutate(keyspace: KeyspaceID(5), key: "k", .put(value: "v")),
      SessionStamp(client: client, sequence: 9, lowestUnacknowledged: 8), to: &log)
    let image = try machines.snapshot(group)
    #expect(
      image.map(\.hexadecimal) == [
        "01" + "03" + "00000102" + "0000000000000001" + "0000000000000001" + "00000000"
          + "0000000000000000"
          // Head: progress, configuration, dropped keyspaces, no map, one session.
          + "02" + "0000000000000001" + "0000000000000001" + "00000000000003e8"
          + "68556372b2b4de65" + "0000000000000000" + "01" + "00000003" + "0000000000000001"
          + "0000000000000002" + "0000000000000003" + "00000000" + "00000000" + "02"
          + "00000000" + "00" + "00000001"
          // Records, their number, and the checksum.
          + "00000002" + "0011" + "0200000000000000110000000000000022" + "0000002e" + "02"
          + "0000000000000008" + "0000000000000001" + "00000001" + "0000000000000009"
          + "74b46e341a377d84" + "010000000000000001"
          + "0006" + "03000000056b" + "00000012" + "01" + "0000000000000001"
          + "0000000000000000" + "76" + "0000000000000002" + "1f94d39ad4d33080"
      ])
  }

  /// What the map of `formed(members: 1)` says: node 1, not met, and the sets of two groups.
  private static let memberAndSets =
    "00000001" + "00000001" + "0000000000000000" + "0000" + "0000" + "00000002" + setOfNode1
    + setOfNode1
  private static let setOfNode1 =
    "0000000000000001" + "00000001" + "0000000000000001" + "00000000"

  /// Rows that only some groups have: a joint configuration and the map.
  @Test func rowsOfTheMetaGroup() throws {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(.meta, meta: .unformed)
    var log = StateTestLog(.meta)
    let joint = GroupConfiguration(
      voters: [1, 2].map { ReplicaID(rawValue: $0) },
      outgoing: [2, 3].map { ReplicaID(rawValue: $0) })
    var writer = ByteWriter()
    joint.encode(into: &writer)
    log.append(.configuration, writer.take())
    log.append(.meta(.form(formed(0xC1, members: 1, mode: .ap))))
    _ = try machines.apply([log.request(after: .zero)])
    let view = try machines.store.makeView()
    let key = StateKey(.meta, firstGeneration)
    #expect(
      try view.get(key.meta(.configuration))?.hexadecimal == "01" + "00000002"
        + "0000000000000001" + "0000000000000002" + "00000002" + "0000000000000002"
        + "0000000000000003" + "00000000")
    #expect(
      try view.get(key.meta(.map))?.hexadecimal == "03" + "0000000000000001"
        + "00000000000000c1" + Self.memberAndSets + "00000002" + "00000001" + "00000001" + "0007"
        + "64656661756c74" + "02" + "00000000")
    #expect(try view.get(key.meta(.droppedKeyspaces)) == nil)
  }

  /// An image of the meta group in two chunks, and the cursor between them.
  @Test func aSnapshotInChunks() throws {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(.meta, meta: formed(members: 1))
    var log = StateTestLog(.meta)
    for key in ["a", "b"] as [Bytes] {
      _ = try machines.apply(.mutate(keyspace: .default, key: key, .put(value: "v")), to: &log)
    }
    let reader = try #require(try machines.beginSnapshot(.meta))
    let (first, cursor) = try reader.chunk(at: Bytes(), maxBytes: 1)
    let next = try #require(cursor)
    let (last, end) = try reader.chunk(at: next, maxBytes: 1)
    #expect(end == nil)
    let zero = "0000000000000000"
    let image = "00000000" + "0000000000000002" + "0000000000000001"
    #expect(
      first.hexadecimal == "01" + "01" + image + "00000000" + zero
        // Head: progress, configuration, dropped keyspaces, the map, no session.
        + "02" + "0000000000000002" + "0000000000000001" + "00000000000003e8"
        + "2225732ca20872e6" + zero + "01" + "00000003" + "0000000000000001"
        + "0000000000000002" + "0000000000000003" + "00000000" + "00000000" + "02"
        + "00000000" + "01" + "03" + "0000000000000001" + "0000000000000001"
        + Self.memberAndSets + "00000002" + "00000001"
        + "00000001" + "0007" + "64656661756c74" + "01" + "00000000" + "00000000"
        // One record, and the digest up to here.
        + "00000001" + "0006" + "030000000161" + "00000012" + "01" + "0000000000000001" + zero
        + "76" + "79afd7180c45358b")
    // The next chunk, the records and the digest before it, and its first key.
    #expect(
      next.hexadecimal == "01" + "00000001" + "0000000000000001" + "79afd7180c45358b"
        + "030000000162")
    #expect(
      last.hexadecimal == "01" + "02" + image + "00000001" + "79afd7180c45358b"
        + "00000001" + "0006" + "030000000162" + "00000012" + "01" + "0000000000000002" + zero
        + "76" + "0000000000000002" + "0eea9fba6dfeed67")
  }
}
