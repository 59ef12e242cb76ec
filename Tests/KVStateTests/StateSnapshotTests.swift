import KVBase
import KVCommand
import KVState
import Testing

@Suite struct StateSnapshotTests {
  private let group = GroupID(4)
  private let client = ClientID(createdMilliseconds: 50, random: 3)
  private let increment = CommandBody.mutate(
    keyspace: .default, key: "n", .add(delta: 1, minimum: 0, maximum: .max))

  /// Machines whose group has records, sessions, a dropped keyspace and a configuration.
  private func filled<S: StateStore>(_ store: S, seed: UInt64 = 1) throws -> (
    StateMachines<S>, StateTestLog
  ) {
    let machines = StateMachines(store: store)
    try machines.createGroup(group, meta: formed(mode: .ap))
    var log = StateTestLog(group)
    var random = SeededRandom(seed: seed)
    var clients = RandomClients(9, &random)
    log.append(.meta(.createKeyspace(name: "more", mode: .cp)))
    for i in 0..<400 {
      if i == 200 {
        var writer = ByteWriter()
        GroupConfiguration(voters: [ReplicaID(rawValue: 1)]).encode(into: &writer)
        log.append(.configuration, writer.take())
      }
      log.append(.command, encoded(clients.next(&random)))
    }
    _ = try machines.apply([log.request(after: .zero)])
    return (machines, log)
  }

  /// The image of one store installed into the other kind: the same status, and the same bytes when
  /// it is read again.
  @Test(arguments: StoreKind.allCases, [200, 3_000, 1 << 20])
  func anInstalledSnapshotIsEqual(_ kind: StoreKind, _ maxBytes: Int) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let (source, log) = try filled(MemoryState())
      let image = try source.snapshot(group, maxBytes: maxBytes)
      let target = StateMachines(store: fixture.store)
      let status = try target.install(image, group, Generation(7))
      var expected = try #require(source.status(of: group))
      #expect(expected.sessionCount > 3 && expected.meta?.keyspaces.count == 2)
      expected.generation = Generation(7)
      #expect(status == expected)
      #expect(target.status(of: group) == expected)
      #expect(try target.snapshot(group, maxBytes: maxBytes) == image)
      #expect(maxBytes == 1 << 20 ? image.count == 1 : image.count > 1)
      // Both go on alike.
      var longer = log
      var random = SeededRandom(seed: 5)
      var clients = RandomClients(3, &random)
      for _ in 0..<100 { longer.append(.command, encoded(clients.next(&random))) }
      let one = try source.apply([longer.request(after: log.lastIndex)])[0]
      let two = try target.apply([
        longer.request(after: log.lastIndex, generation: Generation(7))
      ])[0]
      #expect(one.results == two.results && one.digest == two.digest)
      #expect(try source.snapshot(group) == target.snapshot(group))
    }
    try body(kind.make())
  }

  /// The image does not see what is applied while it is read, and any chunk may be read again.
  @Test(arguments: StoreKind.allCases)
  func anImageStandsStillAndIsResumable(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var (machines, log) = try filled(fixture.store)
      let expected = try machines.snapshot(group, maxBytes: 700)
      let reader = try #require(try machines.beginSnapshot(group))
      var cursors: [Bytes] = [Bytes()]
      var chunks: [Bytes] = []
      while let cursor = cursors.last, cursors.count == chunks.count + 1 {
        let (bytes, next) = try reader.chunk(at: cursor, maxBytes: 700)
        chunks.append(bytes)
        _ = try machines.apply(increment, .none, to: &log)
        if let next { cursors.append(next) }
      }
      #expect(chunks == expected)
      #expect(reader.status.appliedIndex.rawValue == 402)
      for at in [0, 2, cursors.count - 1, 1] {
        #expect(try reader.chunk(at: cursors[at], maxBytes: 700).bytes == chunks[at])
      }
      #expect(throws: StorageError.self) { try reader.chunk(at: "nonsense", maxBytes: 700) }
    }
    try body(kind.make())
  }

  /// A record larger than a chunk makes a chunk of its own.
  @Test func aLargeRecordTravelsAlone() throws {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(group)
    var log = StateTestLog(group)
    let value = Bytes([UInt8](repeating: 9, count: Limits.valueBytes))
    for key in ["a", "b"] as [Bytes] {
      log.append(.mutate(keyspace: .default, key: key, .put(value: value)))
    }
    _ = try machines.apply([log.request(after: .zero)])
    let image = try machines.snapshot(group, maxBytes: 1000)
    #expect(image.count == 2)
    let target = StateMachines(store: MemoryState())
    try target.install(image, group, Generation(2))
    #expect(try target.get(group, "b")?.value == value)
  }

  /// Whether a retry after an installation is answered as the first try was, and counts once.
  private func retryCountsOnceAfterInstall(
    _ change: (StateMachines<MemoryState>) -> Void = { _ in }
  ) throws -> Bool {
    let source = StateMachines(store: MemoryState())
    change(source)
    try source.createGroup(group)
    var log = StateTestLog(group)
    let stamp = SessionStamp(client: client, sequence: 1, lowestUnacknowledged: 1)
    let first = try source.apply(increment, stamp, to: &log)
    let target = StateMachines(store: MemoryState())
    try target.install(source.snapshot(group), group, Generation(2))
    log.append(increment, stamp)
    let request = log.request(after: LogIndex(1), generation: Generation(2))
    let second = try target.apply([request])[0].results[0]
    return try first == second && target.get(group, "n")?.value == "1"
  }

  /// A snapshot that leaves the sessions out makes a retry take effect twice.
  @Test func aSnapshotCarriesTheSessions() throws {
    #expect(try retryCountsOnceAfterInstall())
    #if PlantedFaults
      #expect(try !retryCountsOnceAfterInstall { $0.plantedFault = .forgetSessionsInSnapshot })
    #endif
  }

  /// etcd#18055: chunks that are stale, mixed, missing, repeated or damaged change nothing.
  @Test func onlyTheNextChunkOfOneImageIsTaken() throws {
    let (source, log) = try filled(MemoryState())
    let image = try source.snapshot(group, maxBytes: 900)
    let otherSizes = try source.snapshot(group, maxBytes: 2_500)
    #expect(otherSizes[0] != image[0])
    var longer = log
    longer.append(increment)
    _ = try source.apply([longer.request(after: log.lastIndex)])
    let later = try source.snapshot(group, maxBytes: 900)
    let generation = Generation(3)
    let target = StateMachines(store: MemoryState())
    try target.beginInstall(group, generation: generation)
    func install(_ chunk: Bytes) throws {
      try target.installChunk(group, generation: generation, chunk: chunk)
    }
    func refuses(_ chunk: Bytes) throws {
      let before = try target.store.makeView().all()
      #expect {
        try install(chunk)
      } throws: { error in
        if case .damaged? = error as? StorageError { true } else { false }
      }
      #expect(try target.store.makeView().all() == before)
    }
    try refuses(image[1])
    try refuses(Bytes())
    try install(image[0])
    try refuses(later[0])
    try refuses(later[1])
    try refuses(otherSizes[1])
    try refuses(image[2])
    for at in [0, 1, 7, 40, image[1].count - 1] {
      var damaged = image[1].array
      damaged[at] ^= 1
      try refuses(Bytes(damaged))
    }
    try refuses(image[1][0..<image[1].count - 1])
    #expect(throws: StorageError.self) {
      try target.finishInstall(group, generation: generation)
    }
    for chunk in image[1...] {
      try install(chunk)
      try install(chunk)
    }
    try refuses(later[later.count - 1])
    _ = try target.finishInstall(group, generation: generation)
    try target.activate(group, generation: generation)
    #expect(try target.snapshot(group, maxBytes: 900) == image)
    #expect(throws: StorageError.self) { try install(image[0]) }
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func garbageIsNoChunk(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let (source, _) = try filled(MemoryState())
    let image = try source.snapshot(group, maxBytes: 900)
    let target = StateMachines(store: MemoryState())
    try target.beginInstall(group, generation: Generation(2))
    for _ in 0..<500 {
      var bytes = image[Int(random.below(UInt64(image.count)))].array
      if random.chance(1, in: 2) {
        bytes = (0..<random.below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      } else {
        for _ in 0...random.below(2) {
          bytes[Int(random.below(UInt64(bytes.count)))] ^= UInt8(1 + random.below(255))
        }
        if random.chance(1, in: 2), bytes.count > 42 {
          // With a checksum that fits, what is inside is looked at.
          let seed = Bytes(bytes).load(UInt64.self, at: 26)
          let sum = unsafe bytes.withUnsafeBytes {
            unsafe XXH3.hash(UnsafeRawBufferPointer(rebasing: $0[..<(bytes.count - 8)]), seed: seed)
          }
          var writer = ByteWriter()
          writer.append(raw: Array(bytes[..<(bytes.count - 8)]))
          writer.append(sum)
          bytes = writer.bytes
        }
      }
      try? target.installChunk(group, generation: Generation(2), chunk: Bytes(bytes))
    }
  }

  /// An unfinished installation leaves the present generation as it was; another begins anew.
  @Test(arguments: StoreKind.allCases)
  func anInstallationThatIsCutOffLeavesNothing(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let (source, _) = try filled(MemoryState())
      let image = try source.snapshot(group, maxBytes: 900)
      let machines = StateMachines(store: fixture.store)
      try machines.createGroup(group)
      var log = StateTestLog(group)
      _ = try machines.apply(increment, .none, to: &log)
      try machines.beginInstall(group, generation: Generation(2))
      for chunk in image.dropLast() {
        try machines.installChunk(group, generation: Generation(2), chunk: chunk)
      }
      #expect(try machines.get(group, "n")?.value == "1")

      let again = StateMachines(store: fixture.store)
      #expect(try again.open(group, generation: Generation(2)) == nil)
      #expect(try again.open(group, generation: firstGeneration)?.appliedIndex == LogIndex(1))
      let range = StateKey(group, Generation(2)).range
      #expect(try fixture.store.makeView().all(from: range.from, to: range.to).isEmpty)
      #expect(try again.get(group, "n")?.value == "1")

      try again.beginInstall(group, generation: Generation(2))
      try again.installChunk(group, generation: Generation(2), chunk: image[0])
      try again.install(image, group, Generation(2))
      #expect(try again.snapshot(group, maxBytes: 900) == image)
    }
    try body(kind.make())
  }

  /// A crash after the end of an installation and before the log's switch: both generations are
  /// there, and the one that the log names is opened.
  @Test(arguments: StoreKind.allCases, [1, 2] as [UInt32])
  func afterACrashTheLogSaysWhichGeneration(_ kind: StoreKind, _ chosen: UInt32) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var random = SeededRandom(seed: 1)
      let (source, _) = try filled(MemoryState())
      let machines = StateMachines(store: fixture.store)
      try machines.createGroup(group)
      var log = StateTestLog(group)
      _ = try machines.apply(increment, .none, to: &log)
      try machines.beginInstall(group, generation: Generation(2))
      for chunk in try source.snapshot(group) {
        try machines.installChunk(group, generation: Generation(2), chunk: chunk)
      }
      _ = try machines.finishInstall(group, generation: Generation(2))
      let crashed = try fixture.crashed(&random)
      let after = StateMachines(store: crashed.store)
      let status = try after.open(group, generation: Generation(chosen))
      #expect(status?.appliedIndex.rawValue == (chosen == 1 ? 1 : 402))
      let other = StateKey(group, Generation(3 - chosen)).range
      #expect(try crashed.store.makeView().all(from: other.from, to: other.to).isEmpty)
      if chosen == 2 { #expect(try after.snapshot(group) == source.snapshot(group)) }
    }
    try body(kind.make())
  }

  @Test(arguments: StoreKind.allCases)
  func aRemovedGroupIsGoneAndItsNeighboursStay(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let machines = StateMachines(store: fixture.store)
      for id in [3, 4, 5] as [UInt32] {
        try machines.createGroup(GroupID(id))
        var log = StateTestLog(GroupID(id))
        _ = try machines.apply(increment, .none, to: &log)
      }
      try machines.remove(group)
      #expect(try machines.read(group, .get(keyspace: .default, key: "n"), tier: .all) == nil)
      #expect(try machines.open(group, generation: firstGeneration) == nil)
      #expect(throws: Never.self) { _ = try machines.beginSnapshot(group) }
      let range = StateKey.range(of: group)
      #expect(try fixture.store.makeView().all(from: range.from, to: range.to).isEmpty)
      #expect(try machines.get(GroupID(3), "n")?.value == "1")
      #expect(try machines.get(GroupID(5), "n")?.value == "1")
      try machines.createGroup(group)
      #expect(try machines.get(group, "n") == nil)
    }
    try body(kind.make())
  }
}
