import KVBase
import KVCommand

/// One value of every kind, with its bytes in hexadecimal. The bytes are the format: where one of
/// these changes, logs and data of earlier builds can no longer be read.
enum Samples {
  static let session = SessionStamp(
    client: ClientID(createdMilliseconds: 0x0102_0304, random: 0xA1B2), sequence: 7,
    lowestUnacknowledged: 5)
  /// Version, kind and session of a command of `kind`.
  static func head(_ kind: String) -> String {
    "01" + kind + "0000000001020304" + "000000000000a1b2" + "0000000000000007"
      + "0000000000000005"
  }

  static let bodies: [(body: CommandBody, bytes: String)] = [
    (
      .mutate(keyspace: KeyspaceID(9), key: "key", .put(value: "value")),
      head("01") + "00000009" + "0003" + "6b6579" + "00" + "00000005" + "76616c7565"
    ),
    (
      .mutate(keyspace: .default, key: "k", .put(value: Bytes(), condition: .ifAbsent)),
      head("01") + "00000001" + "0001" + "6b" + "01" + "00000000"
    ),
    (
      .mutate(keyspace: .default, key: "k", .put(value: "v", condition: .ifPresent)),
      head("01") + "00000001" + "0001" + "6b" + "02" + "00000001" + "76"
    ),
    (
      .mutate(keyspace: .default, key: "k", .put(value: "v", condition: .ifVersion(LogIndex(258)))),
      head("01") + "00000001" + "0001" + "6b" + "03" + "0000000000000102" + "00000001" + "76"
    ),
    (
      .mutate(keyspace: .default, key: "k", .put(value: "v", condition: .ifValue("old"))),
      head("01") + "00000001" + "0001" + "6b" + "04" + "00000003" + "6f6c64" + "00000001" + "76"
    ),
    (
      .mutate(keyspace: KeyspaceID(2), key: "k", .delete(condition: .ifVersion(LogIndex(3)))),
      head("02") + "00000002" + "0001" + "6b" + "03" + "0000000000000003"
    ),
    (
      .mutate(keyspace: KeyspaceID(2), key: "n", .add(delta: -2, minimum: 0, maximum: .max)),
      head("03") + "00000002" + "0001" + "6e" + "fffffffffffffffe" + "0000000000000000"
        + "7fffffffffffffff"
    ),
    (
      .mutate(keyspace: KeyspaceID(2), key: "k", .append(suffix: "tail")),
      head("04") + "00000002" + "0001" + "6b" + "00000004" + "7461696c"
    ),
    (.dropKeyspaceRecords(KeyspaceID(4)), head("10") + "00000004"),
    (.expireSessions(createdThroughMilliseconds: 77), head("11") + "000000000000004d"),
    (.endSession, head("12")),
    (.meta(.createKeyspace(name: "cart", mode: .ap)), head("20") + "0004" + "63617274" + "02"),
    (.meta(.dropKeyspace(name: "cart")), head("21") + "0004" + "63617274"),
    (
      .meta(
        .registerMember(
          MemberRecord(node: NodeID(3), incarnation: 0xBEEF, address: "h:1", zone: "z"))),
      head("22") + "00000003" + "000000000000beef" + "0003" + "683a31" + "0001" + "7a"
    ),
    (.meta(.form(map.state)), head("24") + map.bytes),
  ]

  static let descriptor = KeyspaceDescriptor(id: KeyspaceID(6), name: "ks", mode: .cp)

  static let results: [(result: CommandResult, bytes: String)] = [
    (.written(version: LogIndex(9)), "010000000000000009"),
    (.deleted(existed: true, version: LogIndex(9)), "02010000000000000009"),
    (.added(value: -1, version: LogIndex(9)), "03ffffffffffffffff0000000000000009"),
    (.conditionFailed(current: LogIndex(8)), "040000000000000008"),
    (.outOfBounds(current: 5), "050000000000000005"),
    (.notAnInteger, "06"),
    (.keyspaceDropped, "07"),
    (.sessionExpired(renewAt: 258), "080000000000000102"),
    (.sequenceTooLow, "09"),
    (.tooManyUnacknowledged, "0a"),
    (.done, "0b"),
    (.keyspace(descriptor), "0c0000000600026b7301"),
    (.keyspaceExists(descriptor), "0d0000000600026b7301"),
    (.noSuchKeyspace, "0e"),
    (.tooManyKeyspaces, "0f"),
    (.invalidName, "10"),
    (.incarnationConflict(recorded: 1), "110000000000000001"),
    (.appended(length: 258, version: LogIndex(9)), "12000001020000000000000009"),
    (.valueTooLong(current: 258), "1300000102"),
    (.createdAhead(renewAt: 258), "140000000000000102"),
    (.sequenceReused, "15"),
  ]

  static var map: (state: ClusterMap, bytes: String) {
    let meta = ReplicaSet(
      epoch: Epoch(1), voters: [ReplicaID(node: NodeID(1))],
      learners: [ReplicaID(node: NodeID(2), ordinal: 3)])
    let partition = ReplicaSet(epoch: Epoch(4), voters: [ReplicaID(node: NodeID(2))])
    var state = ClusterMap(
      forming: 0xC1,
      members: [
        MemberRecord(node: NodeID(1), incarnation: 2, address: "a"),
        MemberRecord(node: NodeID(2), incarnation: 0, address: "b", zone: "z"),
      ], replicaSets: [meta, partition], defaultMode: .cp)
    state.epoch = Epoch(5)
    state.nextKeyspace = KeyspaceID(4)
    state.keyspaces.append(KeyspaceDescriptor(id: KeyspaceID(3), name: "b", mode: .ap))
    state.dropped = [KeyspaceID(2)]
    return (
      state,
      "03" + "0000000000000005" + "00000000000000c1"
        // Members.
        + "00000002" + "00000001" + "0000000000000002" + "0001" + "61" + "0000"
        + "00000002" + "0000000000000000" + "0001" + "62" + "0001" + "7a"
        // Replica sets.
        + "00000002" + "0000000000000001" + "00000001" + "0000000000000001" + "00000001"
        + "0000000300000002" + "0000000000000004" + "00000001" + "0000000000000002" + "00000000"
        // Keyspaces: the next, those there are, those dropped.
        + "00000004" + "00000002" + "00000001" + "0007" + "64656661756c74" + "01" + "00000003"
        + "0001" + "62" + "02" + "00000001" + "00000002" + "00000002"
    )
  }
}

func bytes(_ write: (inout ByteWriter) -> Void) -> Bytes {
  var writer = ByteWriter()
  write(&writer)
  return writer.take()
}
