import KVBase
import Testing

@Suite struct ByteReaderWriterTests {
  @Test func whatWasWrittenIsRead() throws {
    var writer = ByteWriter()
    writer.append(UInt8(1))
    writer.append(UInt16(2))
    writer.append(UInt32(3))
    writer.append(UInt64.max)
    writer.append(Int64(-5))
    writer.append(true)
    writer.append(sized: "sized")
    writer.append(short: Bytes("short"))
    writer.append(short: "téxt")
    writer.append(raw: Bytes([9, 9]))
    writer.append(raw: [8])
    var reader = ByteReader(writer.take())
    #expect(try reader.read(UInt8.self) == 1)
    #expect(try reader.read(UInt16.self) == 2)
    #expect(try reader.read(UInt32.self) == 3)
    #expect(try reader.read(UInt64.self) == .max)
    #expect(try reader.read(Int64.self) == -5)
    #expect(try reader.readBool())
    #expect(try reader.readSized(limit: 5, what: "value") == "sized")
    #expect(try reader.readShort(limit: 5, what: "value") == "short")
    #expect(try reader.readText(limit: 5, what: "text") == "téxt")
    #expect(try reader.read(count: 2) == Bytes([9, 9]))
    #expect(!reader.isAtEnd && reader.remaining == 1)
    #expect(reader.readRest() == Bytes([8]))
    try reader.finish()
  }

  @Test func theBytesAreBigEndianAndTight() {
    var writer = ByteWriter(capacity: 64)
    writer.append(UInt32(0x0102_0304))
    writer.append(sized: Bytes([0xaa]))
    writer.append(short: Bytes([0xbb]))
    writer.append(false)
    #expect(writer.take().hexadecimal == "01020304" + "00000001aa" + "0001bb" + "00")
    #expect(writer.count == 0)
  }

  /// Every prefix of a message is refused, and never read past its end.
  @Test func everyTruncationIsAnError() throws {
    var writer = ByteWriter()
    writer.append(UInt32(7))
    writer.append(sized: "hello")
    writer.append(short: "world")
    writer.append(UInt64(1))
    let whole = writer.take()
    func decode(_ bytes: Bytes) throws(WireError) {
      var reader = ByteReader(bytes)
      _ = try reader.read(UInt32.self)
      _ = try reader.readSized(limit: 100, what: "a")
      _ = try reader.readShort(limit: 100, what: "b")
      _ = try reader.read(UInt64.self)
      try reader.finish()
    }
    try decode(whole)
    // The tail of a longer buffer: what follows the slice must not be read.
    let longer = Bytes(whole.array + [UInt8](repeating: 1, count: 16))
    for count in 0..<whole.count {
      #expect(throws: WireError.self, "\(count) bytes") { try decode(longer[0..<count]) }
    }
    #expect(throws: WireError.trailing(count: 1)) { try decode(longer[0..<whole.count + 1]) }
  }

  @Test func errorsSayWhatIsWrong() {
    var short = ByteReader(Bytes([1, 2, 3]))
    #expect(throws: WireError.truncated(needed: 4, available: 3)) { try short.read(UInt32.self) }
    #expect(short.remaining == 3)
    var long = ByteReader(Bytes([0, 0, 0, 9, 1]))
    #expect(throws: WireError.tooLong(what: "key", length: 9, limit: 8)) {
      try long.readSized(limit: 8, what: "key")
    }
    var flag = ByteReader(Bytes([2]))
    #expect(throws: WireError.unknownValue(what: "flag", value: 2)) { try flag.readBool() }
    var text = ByteReader(Bytes([0, 1, 0xff]))
    #expect(throws: WireError.invalid("name")) { try text.readText(limit: 9, what: "name") }
    var negative = ByteReader(Bytes([1]))
    #expect(throws: WireError.self) { try negative.read(count: -1) }
  }

  /// A count is not believed before the bytes for so many items are there.
  @Test func aCountThatCannotBeIsRefused() {
    var huge = ByteReader(Bytes([0xff, 0xff, 0xff, 0xff, 0]))
    #expect(throws: WireError.tooLong(what: "items", length: 4_294_967_295, limit: 100)) {
      try huge.readCount(limit: 100, minimumSize: 8, what: "items")
    }
    var many = ByteReader(Bytes([0, 0, 0, 3, 1, 2]))
    #expect(throws: WireError.truncated(needed: 3, available: 2)) {
      try many.readCount(limit: 100, minimumSize: 1, what: "items")
    }
    var right = ByteReader(Bytes([0, 0, 0, 2, 1, 2]))
    #expect(throws: Never.self) { try right.readCount(limit: 2, minimumSize: 1, what: "items") }
  }

  @Test func aLengthKnownLaterIsWrittenOver() {
    var writer = ByteWriter()
    writer.append(UInt32(0))
    writer.append(raw: Bytes("abc"))
    writer.overwrite(UInt32(writer.count - 4), at: 0)
    #expect(writer.checksum(from: 4) == XXH3.hash(Bytes("abc")))
    #expect(writer.bytes == [0, 0, 0, 3, 97, 98, 99])
    writer.removeAll()
    #expect(writer.count == 0)
  }

  @Test func overwritingBeyondTheEndIsRefused() async {
    await #expect(processExitsWith: .failure) {
      var writer = ByteWriter()
      writer.append(UInt32(0))
      writer.overwrite(UInt32(0), at: 1)
    }
  }

  /// What was taken stays as it was while the writer is used again.
  @Test func takenBytesAreTheTakersOwn() {
    var writer = ByteWriter()
    writer.append(raw: [1, 2])
    let taken = writer.take()
    writer.append(raw: [3, 4, 5])
    #expect(taken.array == [1, 2])
    #expect(writer.take().array == [3, 4, 5])
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededRandom(seed: 17)
    for _ in 0..<2_000 {
      let bytes = Bytes(
        (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      var reader = ByteReader(bytes)
      while !reader.isAtEnd {
        do {
          switch random.below(6) {
          case 0: _ = try reader.read(UInt64.self)
          case 1: _ = try reader.readSized(limit: 1 << 20, what: "value")
          case 2: _ = try reader.readShort(limit: 100, what: "value")
          case 3: _ = try reader.readText(limit: 1 << 20, what: "text")
          case 4: _ = try reader.readCount(limit: 1 << 30, minimumSize: 16, what: "items")
          default: _ = try reader.readBool()
          }
        } catch {
          break
        }
        #expect(reader.offset <= bytes.count)
      }
    }
  }
}
