import KVBase
import KVCommand
import Testing

@Suite struct CommandCodecTests {
  @Test(arguments: Samples.bodies.indices)
  func aCommandHasItsGoldenBytes(_ sample: Int) throws {
    let command = Command(session: Samples.session, body: Samples.bodies[sample].body)
    let encoded = bytes { command.encode(into: &$0) }
    #expect(encoded.hexadecimal == Samples.bodies[sample].bytes)
    #expect(try Command(decoding: encoded) == command)
  }

  /// A leader asks for it before it proposes the bytes.
  @Test(arguments: Samples.bodies.indices)
  func theCreationTimeIsReadFromTheBytes(_ sample: Int) {
    let encoded = bytes {
      Command(session: Samples.session, body: Samples.bodies[sample].body).encode(into: &$0)
    }
    #expect(Command.createdMilliseconds(inEncoded: encoded) == 0x0102_0304)
  }

  /// A fingerprint is that of what a command does, whoever sends it and what it acknowledges.
  @Test func aFingerprintIsThatOfTheBody() {
    var seen: [UInt64] = []
    for sample in Samples.bodies {
      func fingerprint(_ session: SessionStamp) -> UInt64 {
        let encoded = bytes { Command(session: session, body: sample.body).encode(into: &$0) }
        return Command.fingerprint(ofEncoded: encoded)
      }
      var later = Samples.session
      later.lowestUnacknowledged += 1
      #expect(fingerprint(later) == fingerprint(Samples.session))
      #expect(fingerprint(.none) == fingerprint(Samples.session))
      #expect(!seen.contains(fingerprint(.none)))
      seen.append(fingerprint(.none))
    }
  }

  @Test(arguments: Samples.results.indices)
  func aResultHasItsGoldenBytes(_ sample: Int) throws {
    let result = Samples.results[sample].result
    let encoded = bytes { result.encode(into: &$0) }
    #expect(encoded.hexadecimal == Samples.results[sample].bytes)
    var reader = ByteReader(encoded)
    #expect(try CommandResult(from: &reader) == result)
    #expect(reader.isAtEnd)
  }

  @Test func theMapHasItsGoldenBytes() throws {
    let encoded = bytes { Samples.map.state.encode(into: &$0) }
    #expect(encoded.hexadecimal == Samples.map.bytes)
    var reader = ByteReader(encoded)
    #expect(try ClusterMap(from: &reader) == Samples.map.state)
    #expect(reader.isAtEnd)
  }

  @Test func theUnformedMapHasItsGoldenBytes() throws {
    let encoded = bytes { ClusterMap.unformed.encode(into: &$0) }
    #expect(
      encoded.hexadecimal == "03" + "0000000000000000" + "0000000000000000" + "00000000"
        + "00000000" + "00000001" + "00000000" + "00000000")
    var reader = ByteReader(encoded)
    #expect(try ClusterMap(from: &reader) == .unformed)
  }

  /// A formed map has the meta group and a power of two of partitions, each with a voter.
  @Test func aMapWhoseGroupsDoNotFitIsRefused() {
    let set = ReplicaSet(epoch: Epoch(1), voters: [ReplicaID(node: NodeID(1))])
    func decoded(_ sets: [ReplicaSet], epoch: UInt64 = 1) throws -> ClusterMap {
      var map = ClusterMap(forming: 1, members: [], replicaSets: sets, defaultMode: .cp)
      map.epoch = Epoch(epoch)
      var reader = ByteReader(bytes { map.encode(into: &$0) })
      return try ClusterMap(from: &reader)
    }
    #expect(throws: Never.self) { try decoded([set, set, set]) }
    for count in [0, 1, 4] {
      #expect(throws: WireError.invalid("map: its groups do not fit its epoch")) {
        try decoded(Array(repeating: set, count: count))
      }
    }
    #expect(throws: WireError.self) { try decoded([set, set], epoch: 0) }
    #expect(throws: WireError.self) { try decoded([set, ReplicaSet(epoch: Epoch(1), voters: [])]) }
  }

  /// Every proper beginning of every command is refused, and so is a byte after its end.
  @Test func aCommandIsReadWhollyOrNotAtAll() {
    for sample in Samples.bodies {
      let whole = bytes {
        Command(session: Samples.session, body: sample.body).encode(into: &$0)
      }
      for count in 0..<whole.count {
        #expect(throws: WireError.self) { try Command(decoding: whole[0..<count]) }
      }
      #expect(throws: WireError.trailing(count: 1)) {
        try Command(decoding: Bytes(whole.array + [0]))
      }
    }
  }

  @Test func whatMakesNoSenseIsRefused() {
    let empty = bytes {
      Command(
        session: .none,
        body: .mutate(keyspace: .default, key: Bytes(), .put(value: "v"))
      ).encode(into: &$0)
    }
    #expect(throws: WireError.invalid("key: it is empty")) { try Command(decoding: empty) }
    let bounds = bytes {
      Command(
        session: .none,
        body: .mutate(keyspace: .default, key: "k", .add(delta: 1, minimum: 2, maximum: 1))
      ).encode(into: &$0)
    }
    #expect(throws: WireError.self) { try Command(decoding: bounds) }
    let long = bytes {
      Command(
        session: .none,
        body: .mutate(
          keyspace: .default, key: Bytes([UInt8](repeating: 1, count: Limits.keyBytes + 1)),
          .delete())
      ).encode(into: &$0)
    }
    #expect(throws: WireError.self) { try Command(decoding: long) }
  }

  /// Random bytes, and real commands with bytes changed: decoding answers or throws, never traps,
  /// and what it takes encodes to the same bytes.
  @Test(arguments: 0..<8 as Range<UInt64>)
  func garbageNeverTraps(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<4_000 {
      var input: [UInt8]
      if random.chance(1, in: 4) {
        input = (0..<random.below(96)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        if !input.isEmpty, random.chance(3, in: 4) { input[0] = 1 }
      } else {
        let sample = Samples.bodies[Int(random.below(UInt64(Samples.bodies.count)))]
        input =
          bytes {
            Command(session: Samples.session, body: sample.body).encode(into: &$0)
          }.array
        for _ in 0...random.below(3) {
          input[Int(random.below(UInt64(input.count)))] = UInt8(truncatingIfNeeded: random.next())
        }
      }
      if let command = try? Command(decoding: Bytes(input)) {
        #expect(bytes { command.encode(into: &$0) } == Bytes(input), "seed \(seed)")
      }
      var reader = ByteReader(Bytes(input))
      _ = try? CommandResult(from: &reader)
      reader = ByteReader(Bytes(input))
      _ = try? ClusterMap(from: &reader)
      reader = ByteReader(Bytes(input))
      _ = try? GroupConfiguration(from: &reader)
      reader = ByteReader(Bytes(input))
      _ = try? LogEntry(from: &reader)
    }
  }
}
