import KVBase
import KVWire
import Testing

/// The frames of `bytes`, fed as chunks that end where `cuts` says.
func decodeFrames(
  _ bytes: [UInt8], cuts: [Int] = [], decoder: FrameDecoder = FrameDecoder()
) throws(WireError) -> [Frame] {
  var decoder = decoder
  var frames: [Frame] = []
  var start = 0
  for end in cuts.sorted() + [bytes.count] {
    decoder.feed(Bytes(Array(bytes[start..<end])))
    while let frame = try decoder.next() { frames.append(frame) }
    start = end
  }
  return frames
}

func encoded(_ frames: [Frame]) -> [UInt8] {
  var writer = ByteWriter()
  for frame in frames { FrameEncoder.append(frame, into: &writer) }
  return writer.bytes
}

@Suite struct FrameTests {
  @Test func goldenBytesWithChecksum() throws {
    let bytes = encoded([Frame(type: .request, stream: 7, payload: "abc")])
    #expect(
      Bytes(bytes).hexadecimal
        == "00000013" + "01" + "02" + "0001" + "00000007" + "616263" + "755e38fcd6858fcb")
    #expect(
      try decodeFrames(bytes) == [Frame(type: .request, stream: 7, payload: "abc")])
  }

  @Test func goldenBytesWithoutChecksum() throws {
    let frame = Frame(type: .ping, flags: [], stream: 0, payload: Bytes())
    let bytes = encoded([frame])
    #expect(Bytes(bytes).hexadecimal == "00000008" + "01" + "08" + "0000" + "00000000")
    #expect(try decodeFrames(bytes) == [frame])
  }

  @Test func goawayHasGoldenBytes() throws {
    let goaway = Goaway(.wipedDisk, "a new disk")
    var writer = ByteWriter()
    goaway.encode(into: &writer)
    let bytes = writer.take()
    #expect(bytes.hexadecimal == "09" + "09" + "000a" + "61206e6577206469736b")
    #expect(try Goaway(decoding: bytes) == goaway)
    // Codes of later versions.
    let later = try Goaway(decoding: Bytes([200, 201, 0, 1, 65]))
    #expect(later.code == .unknown && later.reason == .unspecified && later.message == "A")
    for cut in 0..<bytes.count {
      #expect(throws: WireError.self) { try Goaway(decoding: bytes[0..<cut]) }
    }
  }

  @Test func goawayReasonsKeepTheirNumbers() {
    #expect(Goaway.Reason.allCases.map(\.rawValue) == Array(0...11))
    #expect(Goaway.Reason.shuttingDown.rawValue == 1 && Goaway.Reason.wrongNode.rawValue == 11)
  }

  @Test func typesKeepTheirNumbers() {
    let numbers = FrameType.allCases.map(\.rawValue)
    #expect(numbers == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    #expect(FrameType.hello.rawValue == 1 && FrameType.peer.rawValue == 11)
  }

  @Test func payloadIsASliceOfTheChunk() throws {
    let chunk = Bytes(encoded([Frame(type: .data, stream: 1, payload: Bytes([UInt8](1...200)))]))
    var decoder = FrameDecoder()
    decoder.feed(chunk)
    let frame = try #require(try decoder.next())
    let inside = unsafe chunk.withUnsafeBytes { whole in
      unsafe frame.payload.withUnsafeBytes { part in
        unsafe part.baseAddress == whole.baseAddress.map { unsafe $0 + Frame.headerSize }
      }
    }
    #expect(inside)
    #expect(try decoder.next() == nil)
    #expect(decoder.bufferedBytes == 0)
  }

  @Test func encoderWritesBehindWhatIsThereAndAbandons() throws {
    var writer = ByteWriter()
    FrameEncoder.append(Frame(type: .ping, stream: 1, payload: "x"), into: &writer)
    let before = writer.bytes
    let position = FrameEncoder.begin(.response, stream: 2, into: &writer)
    writer.append(raw: [1, 2, 3])
    #expect(FrameEncoder.payloadCount(position, in: writer) == 3)
    FrameEncoder.abandon(position, in: &writer)
    #expect(writer.bytes == before)
    FrameEncoder.append(Frame(type: .end, stream: 2, payload: Bytes()), into: &writer)
    #expect(try decodeFrames(writer.bytes).map(\.type) == [.ping, .end])
  }

  @Test func theLongestPayloadPasses() throws {
    let frame = Frame(
      type: .data, stream: 1, payload: Bytes([UInt8](repeating: 9, count: Frame.payloadLimit)))
    let bytes = encoded([frame])
    #expect(bytes.count == Limits.frameBytes)
    #expect(try decodeFrames(bytes) == [frame])
    #expect(try decodeFrames(bytes, cuts: [3, 65_536, 1 << 20]) == [frame])
  }
}

@Suite struct FrameDecoderErrorTests {
  /// A frame's bytes with one field changed.
  private func damaged(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
    var bytes = encoded([Frame(type: .request, stream: 7, payload: "abc")])
    change(&bytes)
    return bytes
  }

  @Test func aLengthIsRefusedBeforeAnythingElseArrives() {
    var decoder = FrameDecoder()
    decoder.feed(Bytes([0x00, 0x40, 0x00, 0x00]))
    #expect(throws: WireError.tooLong(what: "frame", length: (4 << 20) + 4, limit: 4 << 20)) {
      try decoder.next()
    }
    #expect(throws: WireError.tooLong(what: "frame", length: 0x4745_5420 + 4, limit: 4 << 20)) {
      try decodeFrames(Array("GET / HTTP/1.1\r\n".utf8))
    }
    #expect(throws: WireError.truncated(needed: 12, available: 11)) {
      try decodeFrames([0, 0, 0, 7, 1, 2, 0, 1, 0, 0, 0])
    }
    #expect(throws: WireError.truncated(needed: 20, available: 13)) {
      try decodeFrames([0, 0, 0, 9, 1, 2, 0, 1, 0, 0, 0, 0, 0])
    }
  }

  @Test func headerFieldsAreRefused() {
    #expect(throws: WireError.unknownValue(what: "frame version", value: 2)) {
      try decodeFrames(damaged { $0[4] = 2 })
    }
    #expect(throws: WireError.unknownValue(what: "frame type", value: 0)) {
      try decodeFrames(damaged { $0[5] = 0 })
    }
    #expect(throws: WireError.unknownValue(what: "frame type", value: 12)) {
      try decodeFrames(damaged { $0[5] = 12 })
    }
    #expect(throws: WireError.unknownValue(what: "frame flags", value: 3)) {
      try decodeFrames(damaged { $0[7] = 3 })
    }
  }

  @Test func everyFlippedBitIsFound() throws {
    let good = damaged { _ in }
    for bit in 0..<good.count * 8 {
      var bytes = good
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      var frames: [Frame] = []
      // A length that became longer waits for more; whatever is answered is never a frame.
      do { frames = try decodeFrames(bytes) } catch {}
      // Clearing the checksum flag makes another valid frame: who needs it, requires it.
      if bit == 7 * 8 { continue }
      #expect(frames.isEmpty, "bit \(bit)")
    }
  }

  @Test func checksumsCanBeRequired() {
    let plain = encoded([Frame(type: .ping, flags: [], stream: 0, payload: Bytes())])
    #expect(throws: WireError.invalid("frame: it has no checksum")) {
      try decodeFrames(plain, decoder: FrameDecoder(requiresChecksums: true))
    }
    var peer = plain
    peer[5] = FrameType.peer.rawValue
    #expect(throws: WireError.invalid("frame: it has no checksum")) { try decodeFrames(peer) }
  }

  @Test func anErrorIsFinal() throws {
    var decoder = FrameDecoder()
    let good = encoded([Frame(type: .ping, stream: 0, payload: Bytes())])
    decoder.feed(Bytes(good + damaged { $0[4] = 9 } + good))
    #expect(try decoder.next()?.type == .ping)
    let error = WireError.unknownValue(what: "frame version", value: 9)
    #expect(throws: error) { try decoder.next() }
    #expect(throws: error) { try decoder.next() }
    decoder.feed(Bytes(good))
    #expect(throws: error) { try decoder.next() }
    #expect(decoder.bufferedBytes == 0)
  }

  @Test func aSmallerLimitHolds() {
    let frame = encoded([Frame(type: .hello, stream: 0, payload: Bytes([UInt8](1...100)))])
    #expect(throws: WireError.tooLong(what: "frame", length: 120, limit: 64)) {
      try decodeFrames(frame, decoder: FrameDecoder(limit: 64))
    }
  }
}

@Suite struct FrameDecoderPropertyTests {
  private func randomFrames(_ random: inout SeededRandom) -> [Frame] {
    (0..<random.below(20) + 1).map { _ in
      let type = FrameType.allCases[Int(random.below(11))]
      let size = Int(random.below(10) == 0 ? random.below(5000) : random.below(60))
      return Frame(
        type: type, flags: type == .peer || random.chance(1, in: 2) ? .checksum : [],
        stream: UInt32(truncatingIfNeeded: random.next()),
        payload: Bytes((0..<size).map { _ in UInt8(random.below(256)) }))
    }
  }

  @Test(arguments: 0..<200 as Range<UInt64>)
  func chunkingDoesNotMatter(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let frames = randomFrames(&random)
    let bytes = encoded(frames)
    let cuts = (0..<random.below(30)).map { _ in Int(random.below(UInt64(bytes.count + 1))) }
    #expect(try decodeFrames(bytes, cuts: cuts) == frames)
  }

  @Test func oneByteAtATime() throws {
    var random = SeededRandom(seed: 99)
    let frames = randomFrames(&random)
    let bytes = encoded(frames)
    #expect(try decodeFrames(bytes, cuts: Array(0..<bytes.count)) == frames)
  }

  /// Errors come at the same frame however the bytes are cut, and nothing traps.
  @Test(arguments: 0..<300 as Range<UInt64>)
  func garbageGivesTheSameErrorInAnyChunks(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var bytes = encoded(randomFrames(&random))
    for _ in 0...random.below(4) {
      bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(random.below(256))
    }
    bytes.removeLast(Int(random.below(UInt64(min(bytes.count, 30)))))
    func outcome(cuts: [Int]) -> ([Frame], WireError?) {
      var decoder = FrameDecoder()
      var frames: [Frame] = []
      var start = 0
      for end in cuts.sorted() + [bytes.count] {
        decoder.feed(Bytes(Array(bytes[start..<end])))
        do {
          while let frame = try decoder.next() { frames.append(frame) }
        } catch { return (frames, error) }
        start = end
      }
      return (frames, nil)
    }
    let whole = outcome(cuts: [])
    let cut = outcome(
      cuts: (0..<random.below(20)).map { _ in Int(random.below(UInt64(bytes.count + 1))) })
    #expect(whole.0 == cut.0)
    // The kind of the error: of two that are wrong, an early chunk shows only the first.
    #expect((whole.1 == nil) == (cut.1 == nil))
  }

  /// A frame that announces the limit and trickles in takes memory as it arrives.
  @Test func memoryFollowsWhatArrived() throws {
    var decoder = FrameDecoder()
    decoder.feed(Bytes([0x00, 0x3f, 0xff, 0x00, 1, 4, 0, 0, 0, 0, 0, 1]))
    #expect(try decoder.next() == nil)
    #expect(decoder.bufferedBytes == 12)
    #expect(decoder.reservedBytes <= 64)
    for i in 1...100 {
      decoder.feed(Bytes([UInt8](repeating: 0, count: 1000)))
      #expect(try decoder.next() == nil)
      #expect(decoder.bufferedBytes == 12 + 1000 * i)
      #expect(decoder.reservedBytes <= 4 * (12 + 1000 * i))
    }
  }
}
