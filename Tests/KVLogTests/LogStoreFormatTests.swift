import KVBase
import KVLog
import Testing

/// The bytes on disk: what these tests hold must stay readable for ever.
@Suite struct LogStoreFormat {
  private func hexadecimal(_ bytes: [UInt8]) -> String { Bytes(bytes).hexadecimal }

  @Test func segmentHeader() throws {
    let header = SegmentHeader(
      identity: LogIdentity(node: NodeID(3), creationDigest: 0x0102_0304_0506_0708),
      sequence: 0x11, salt: 0xA1A2_A3A4_A5A6_A7A8, begin: LogPosition(0xB1B2_B3B4_2000),
      firstNeeded: 0x0F)
    var writer = ByteWriter()
    header.encode(into: &writer)
    #expect(
      hexadecimal(writer.bytes) == """
        4b564c4f47534547000300000000000301020304050607080000000000000011a1a2a3a4a5a6a7a8\
        0000b1b2b3b42000000000000000000f3fe98e27c09d32b9
        """)
    #expect(try SegmentHeader(Bytes(writer.bytes)) == header)
    for i in writer.bytes.indices {
      var changed = writer.bytes
      changed[i] ^= 1
      #expect(throws: SegmentHeader.Fault.damaged) { try SegmentHeader(Bytes(changed)) }
    }
  }

  @Test func batchWithEveryKindOfRecord() throws {
    let records: [LogRecord] = [
      .hardState(GroupID(1), HardState(term: Term(2), vote: ReplicaID(rawValue: 3))),
      .entries(GroupID(1), [.test(4, term: 5, "ab"), .test(5, term: 5, kind: .noop, "")]),
      .reset(
        GroupID(6), generation: Generation(7), index: LogIndex(8), term: Term(9),
        configuration: GroupConfiguration(
          voters: [ReplicaID(rawValue: 1)], outgoing: [ReplicaID(rawValue: 2)],
          learners: [ReplicaID(rawValue: 3)])),
      .removed(GroupID(10)), .data(.ap, PartitionID(11), "abc"),
    ]
    var writer = ByteWriter()
    BatchHeader.begin(into: &writer)
    var size = LogFormat.batchHeaderSize
    for record in records {
      LogRecordCodec.encode(record, salt: 0x5A, into: &writer)
      size += LogRecordCodec.encodedSize(record)
      #expect(size == writer.count)
    }
    BatchHeader.finish(
      from: 0, kind: .records, records: records.count, synced: 64, sequence: 2, salt: 0x5A,
      in: &writer)
    #expect(
      hexadecimal(writer.bytes) == """
        1cf1a54326d8baee000000e000000040000000000000000200000005010000000100000001000000\
        0000000002010000000000000003024a66c470465dc98800000001000000020000003c0000000201\
        0000000000000004000000000000000500000000000003ec61620000000000000000000000000500\
        0000000000000500000000000003ed03000000060000000700000000000000080000000000000009\
        01000000010000000000000001000000010000000000000002000000010000000000000003040000\
        000a06014f785cad6f837a61000b00000003616263000000
        """)
    let segment = SegmentHeader(
      identity: LogIdentity(node: NodeID(1), creationDigest: 0), sequence: 2, salt: 0x5A,
      begin: .zero, firstNeeded: 2)
    let bytes = Bytes(writer.bytes)
    let header = try #require(BatchHeader(at: 0, of: bytes, in: segment))
    #expect(header.kind == .records)
    #expect(header.records == 5)
    #expect(header.synced == 64)
    #expect(header.length == writer.count)
    var reader = ByteReader(bytes[LogFormat.batchHeaderSize..<bytes.count])
    for record in records {
      #expect(try LogRecordCodec.decode(from: &reader) == .record(record))
    }
    for i in writer.bytes.indices {
      var changed = writer.bytes
      changed[i] ^= 0x10
      #expect(BatchHeader(at: 0, of: Bytes(changed), in: segment) == nil, "byte \(i)")
    }
  }

  @Test func checkpointOfAGroup() throws {
    let log = RecoveredLog(
      hardState: HardState(term: Term(2)), generation: Generation(1), baseIndex: LogIndex(3),
      baseTerm: Term(1), lastIndex: LogIndex(5),
      termRuns: [TermRun(term: Term(2), firstIndex: LogIndex(4))],
      configurations: [IndexedConfiguration(index: LogIndex(0), configuration: .three)])
    var writer = ByteWriter()
    LogRecordCodec.encode(
      group: GroupID(9), log, neededFrom: LogPosition(0x0102_0304), into: &writer)
    #expect(
      hexadecimal(writer.bytes) == """
        05000000090000000001020304000000000000000200000000000000000000000001000000000000\
        00030000000000000001000000000000000500000001000000000000000200000000000000040000\
        00010000000000000000010000000300000000000000010000000000000002000000000000000300\
        00000000000000
        """)
    var reader = ByteReader(Bytes(writer.bytes))
    #expect(
      try LogRecordCodec.decode(from: &reader)
        == .group(GroupID(9), log, neededFrom: LogPosition(0x0102_0304)))
  }

  @Test func checkpointOfAPartition() throws {
    var partition = RecoveredPartition(
      partition: PartitionID(9), releasedBefore: LogPosition(0x0102),
      neededFrom: LogPosition(0x0304))
    var writer = ByteWriter()
    LogRecordCodec.encode(partition: partition, into: &writer)
    #expect(hexadecimal(writer.bytes) == "0761000900000000000001020000000000000304")
    var reader = ByteReader(Bytes(writer.bytes))
    #expect(try LogRecordCodec.decode(from: &reader) == .partition(partition))
    partition.neededFrom = nil
    writer.removeAll()
    LogRecordCodec.encode(partition: partition, into: &writer)
    #expect(hexadecimal(writer.bytes) == "0761000900000000000001020000000000000000")
    reader = ByteReader(Bytes(writer.bytes))
    #expect(try LogRecordCodec.decode(from: &reader) == .partition(partition))
  }

  /// The very first bytes that a node writes: what a build of another format has to recognise.
  @Test func aNewLogsFirstBytes() throws {
    let log = try TestLog.create(.memory, segmentBytes: 512)
    let span = try log.append(.begin(GroupID(1)), .data(.ap, PartitionID(2), "value"))
    let bytes = try #require(try log.image[LogFormat.segmentName(1)])
    #expect(span == LogSpan(start: LogPosition(128), end: LogPosition(216)))
    #expect(
      hexadecimal(Array(bytes.prefix(216))) == """
        4b564c4f4753454700030000000000030000000000c0ffee000000000000000161ab506892312f40\
        00000000000000000000000000000001c622f41bf60d346aa200f1bdead418ae0000002000000000\
        000000000000000100000000020000005cf42a8a1e0b2f4100000078000000600000000000000001\
        00000002010000000300000001000000010000000000000000000000000000000001000000030000\
        00000000000100000000000000020000000000000003000000000000000006146e32133af14d8d61\
        00020000000576616c75650000000000
        """)
  }

  /// A checksum vouches for the bytes, not for what they say: here a log that ends before its base,
  /// and one whose second term is lower than that of the base.
  @Test(arguments: [(byte: 57, value: UInt8(2)), (byte: 69, value: 0)])
  func aCheckpointThatCanBeOfNoLogIsRefused(_ change: (byte: Int, value: UInt8)) throws {
    let log = RecoveredLog(
      hardState: HardState(term: Term(2)), generation: Generation(1), baseIndex: LogIndex(3),
      baseTerm: Term(1), lastIndex: LogIndex(5),
      termRuns: [TermRun(term: Term(2), firstIndex: LogIndex(4))],
      configurations: [IndexedConfiguration(index: LogIndex(0), configuration: .three)])
    var writer = ByteWriter()
    LogRecordCodec.encode(group: GroupID(9), log, neededFrom: nil, into: &writer)
    var bytes = writer.bytes
    bytes[change.byte] = change.value
    var reader = ByteReader(Bytes(bytes))
    #expect(throws: WireError.self) { try LogRecordCodec.decode(from: &reader) }
  }

  @Test func names() {
    #expect(LogFormat.segmentName(0x1F) == "000000000000001f.log")
    #expect(LogFormat.spareName(2) == "spare-0000000000000002.log")
    #expect(LogFormat.sequence(ofSegment: "000000000000001f.log") == 0x1F)
    for name in ["1f.log", "000000000000001g.log", "spare-000000000000001f.log", "LOCK", ""] {
      #expect(LogFormat.sequence(ofSegment: name) == nil)
    }
  }

  /// The two logs write the same bytes: what a simulation does to one it does to the other.
  @Test func theRealLogAndItsTwinWriteTheSameFiles() throws {
    func image(_ kind: LogKind) throws -> LogImage {
      var experiment = try LogExperiment(kind, seed: 11, segmentBytes: 2048)
      for _ in 0..<20 {
        guard try experiment.write(batches: 20) == nil else { return [:] }
      }
      return try experiment.log.image
    }
    let real = try image(.real)
    #expect(real.count > 2)
    #expect(try image(.memory) == real)
  }

  /// Bytes from a disk are untrusted: no record, however broken, does more than throw.
  @Test func brokenRecordsAreErrors() throws {
    var random = SeededRandom(seed: 3)
    for _ in 0..<20_000 {
      var bytes = (0..<random.below(80)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if !bytes.isEmpty { bytes[0] = UInt8(random.below(9)) }
      var reader = ByteReader(Bytes(bytes))
      _ = try? LogRecordCodec.decode(from: &reader)
      _ = try? LogRecordCodec.decode(verifying: Bytes(bytes), salt: 0)
    }
  }
}
