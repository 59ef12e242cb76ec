import KVBase
import Testing

@Suite struct LogEntryTests {
  private let entry = LogEntry(
    index: LogIndex(5), term: Term(2), kind: .command, logTimeMilliseconds: 0x0102,
    payload: Bytes("put"))

  private func encoded(_ entry: LogEntry) -> Bytes {
    var writer = ByteWriter()
    entry.encode(into: &writer)
    return writer.take()
  }

  /// Golden: logs on disk and append messages of other builds hold exactly this.
  @Test func goldenBytes() {
    #expect(
      encoded(entry).hexadecimal
        == "00000003" + "01" + "0000000000000005" + "0000000000000002" + "0000000000000102"
        + "707574")
    #expect(LogEntry.headerSize == 29)
    #expect(entry.encodedSize == 32)
  }

  @Test(arguments: [EntryKind.noop, .command, .configuration], [0, 1, 100_000])
  func whatIsWrittenIsRead(_ kind: EntryKind, _ count: Int) throws {
    let entry = LogEntry(
      index: LogIndex(.max), term: Term(.max), kind: kind, logTimeMilliseconds: .max,
      payload: Bytes([UInt8](repeating: 0xab, count: count)))
    let bytes = encoded(entry)
    #expect(bytes.count == entry.encodedSize)
    var reader = ByteReader(bytes)
    #expect(try LogEntry(from: &reader) == entry)
    try reader.finish()
  }

  /// The payload is the client's own bytes: a slice, not a copy.
  @Test func thePayloadIsASliceOfWhatWasRead() throws {
    let bytes = encoded(entry)
    var reader = ByteReader(bytes)
    let read = try LogEntry(from: &reader)
    let (payload, whole) = unsafe read.payload.withUnsafeBytes { a in
      unsafe bytes.withUnsafeBytes { b in
        (UInt(bitPattern: a.baseAddress), UInt(bitPattern: b.baseAddress))
      }
    }
    #expect(payload == whole + 29)
  }

  @Test func everyTruncationIsAnError() {
    let bytes = encoded(entry)
    for count in 0..<bytes.count {
      #expect(throws: WireError.self, "\(count) bytes") {
        var reader = ByteReader(bytes[0..<count])
        _ = try LogEntry(from: &reader)
      }
    }
  }

  @Test func anUnknownKindAndAnAbsurdLengthAreRefused() {
    var kind = encoded(entry).array
    kind[4] = 3
    var reader = ByteReader(Bytes(kind))
    #expect(throws: WireError.unknownValue(what: "entry kind", value: 3)) {
      try LogEntry(from: &reader)
    }
    var length = encoded(entry).array
    length[0] = 0x7f
    reader = ByteReader(Bytes(length))
    #expect(
      throws: WireError.tooLong(
        what: "entry", length: 0x7f00_0003, limit: Limits.commandBytes)
    ) {
      try LogEntry(from: &reader)
    }
  }
}
