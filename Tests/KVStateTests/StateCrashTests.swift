import KVBase
import KVCommand
import KVState
import Testing

@Suite struct StateCrashTests {
  /// etcd 3.5: the applied index and the data that it describes must not come apart. Whatever a
  /// crash keeps is the state exactly as of its applied index, and replaying the log from there
  /// leads to where a node is that never crashed.
  @Test(arguments: StoreKind.allCases, 0..<8 as Range<UInt64>)
  func whatIsFoundIsTheStateAtItsAppliedIndex(_ kind: StoreKind, _ seed: UInt64) throws {
    func body<F: StoreFixture>(_ start: F) throws {
      var random = SeededRandom(seed: seed)
      var clients = RandomClients(4, &random)
      let groups = [GroupID(1), GroupID(2), GroupID(3)]
      var logs = groups.map { StateTestLog($0, time: 100_000) }
      // Each group's image after each entry, from a store that never crashes.
      let reference = StateMachines(store: MemoryState(), sessionLimit: 4)
      var images: [[[Bytes]]] = [[], [], []]
      var fixture = start
      var machines = StateMachines(store: fixture.store, sessionLimit: 4)
      var applied = [LogIndex.zero, .zero, .zero]
      var durable = [LogIndex.zero, .zero, .zero]
      for (at, group) in groups.enumerated() {
        try reference.createGroup(group)
        try machines.createGroup(group)
        images[at].append(try reference.snapshot(group))
      }
      _ = try machines.flush()
      for round in 0..<40 {
        for at in 0..<3 {
          for _ in 0..<random.below(6) {
            logs[at].append(.command, encoded(clients.next(&random)))
            _ = try reference.apply([logs[at].request(after: logs[at].lastIndex.previous)])
            images[at].append(try reference.snapshot(groups[at]))
          }
        }
        let results = try machines.apply((0..<3).map { logs[$0].request(after: applied[$0]) })
        applied = results.map(\.index)
        if random.chance(1, in: 6) {
          let flushed = try machines.flush()
          #expect(flushed.map(\.group) == groups)
          durable = flushed.map(\.index)
          #expect(durable == applied)
        }
        guard random.chance(1, in: 5) else { continue }
        // The files of the old store go when nothing uses it any more.
        let crashed = try fixture.crashed(&random)
        machines = StateMachines(store: crashed.store, sessionLimit: 4)
        fixture = crashed
        for (at, group) in groups.enumerated() {
          let status = try #require(try machines.open(group, generation: firstGeneration))
          let found = status.appliedIndex
          #expect(found >= durable[at] && found <= applied[at])
          let image = try machines.snapshot(group)
          #expect(
            image == images[at][Int(found.rawValue)],
            "\(kind), seed \(seed), round \(round), \(group) at \(found)")
          applied[at] = found
          // What survived one crash survives the next: it is in files.
          durable[at] = found
        }
      }
      _ = try machines.apply((0..<3).map { logs[$0].request(after: applied[$0]) })
      for group in groups {
        #expect(machines.status(of: group) == reference.status(of: group))
        #expect(try machines.snapshot(group) == reference.snapshot(group))
      }
    }
    try body(kind.make())
  }

  /// The size of the batches, and what lies between them, makes no difference to the state.
  @Test(arguments: 0..<6 as Range<UInt64>)
  func batchesMakeNoDifference(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var clients = RandomClients(5, &random)
    var log = StateTestLog(GroupID(1), time: 100_000)
    for _ in 0..<300 { log.append(.command, encoded(clients.next(&random))) }
    let whole = StateMachines(store: MemoryState(), sessionLimit: 4)
    try whole.createGroup(log.group)
    let expected = try whole.apply([log.request(after: .zero)])[0]
    let parts = StateMachines(store: MemoryState(), sessionLimit: 4)
    try parts.createGroup(log.group)
    var results: [CommandResult] = []
    var applied = LogIndex.zero
    while applied < log.lastIndex {
      let through = min(log.lastIndex, applied + Int(1 + random.below(9)))
      let middle = min(through, applied + Int(random.below(4)))
      // Two requests for one group in one call follow each other.
      let answers = try parts.apply([
        log.request(after: applied, through: middle), log.request(after: middle, through: through),
      ])
      results += answers.flatMap(\.results)
      applied = through
    }
    #expect(results == expected.results)
    #expect(try parts.snapshot(log.group) == whole.snapshot(log.group))
  }

  /// A failed write or flush is told, and is not retried as if it had worked.
  @Test func aFailureOfTheStoreIsTold() throws {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(GroupID(1))
    machines.store.fail(with: .io("disk gone"))
    var log = StateTestLog(GroupID(1))
    log.append(.noop)
    #expect(throws: StorageError.io("disk gone")) {
      try machines.apply([log.request(after: .zero)])
    }
    #expect(throws: StorageError.io("disk gone")) { try machines.flush() }
  }

  /// A session that is only in the journal is found again, and a journal with a gap is damage.
  @Test func theJournalIsReadWhole() throws {
    let group = GroupID(1)
    let key = StateKey(group, firstGeneration)
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(group)
    var log = StateTestLog(group)
    let client = ClientID(createdMilliseconds: 5, random: 6)
    for sequence in 1...300 as ClosedRange<UInt64> {
      let stamp = SessionStamp(
        client: client, sequence: sequence, lowestUnacknowledged: max(3, sequence) - 2)
      let command = CommandBody.mutate(
        keyspace: .default, key: "n", .add(delta: 1, minimum: 0, maximum: 1_000))
      #expect(
        try machines.apply(command, stamp, to: &log)
          == .added(
            value: Int64(sequence), version: LogIndex(sequence)))
      let again = StateMachines(store: machines.store)
      #expect(try again.open(group, generation: firstGeneration) == machines.status(of: group))
      #expect(try again.snapshot(group) == machines.snapshot(group))
    }
    // 300 batches after the first row: two rounds of 128, and 44 more.
    try machines.store.write { $0.delete(key: key.progress(slot: 30)) }
    #expect(throws: StorageError.self) {
      try StateMachines(store: machines.store).open(group, generation: firstGeneration)
    }
  }

  /// Damage in a row is found when it is opened or read, and is never an answer.
  @Test func damageIsFound() throws {
    let group = GroupID(1)
    let key = StateKey(group, firstGeneration)
    let client = ClientID(createdMilliseconds: 5, random: 6)
    let rows: [Bytes] = [
      key.progress(slot: 0), key.progress(slot: 5), key.meta(.configuration), key.session(client),
      key.meta(.droppedKeyspaces),
    ]
    for row in rows {
      let machines = StateMachines(store: MemoryState())
      try machines.createGroup(group)
      var log = StateTestLog(group)
      let stamp = SessionStamp(client: client, sequence: 1, lowestUnacknowledged: 1)
      _ = try machines.apply(.dropKeyspaceRecords(KeyspaceID(3)), stamp, to: &log)
      // As many batches as it takes until the session has a row of its own.
      for _ in 0..<127 {
        log.append(.noop)
        _ = try machines.apply([log.request(after: log.lastIndex.previous)])
      }
      let stored = try #require(try machines.store.makeView().get(row))
      for damaged in [Bytes(), Bytes([9] + stored.array.dropFirst()), Bytes(stored.array + [0])] {
        try machines.store.put(row, damaged)
        #expect(throws: StorageError.self) {
          try StateMachines(store: machines.store).open(group, generation: firstGeneration)
        }
      }
    }
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(group)
    try machines.store.put(key.record(.default, "k"), "short")
    let reads: [ReadCommand] = [
      .get(keyspace: .default, key: "k"), .multiGet(keyspace: .default, keys: ["k"]),
      .scan(
        ScanCommand(
          keyspace: .default, from: Bytes(), to: nil, descending: false, keysOnly: true, limit: 1)),
    ]
    for read in reads {
      #expect(throws: StorageError.self) { try machines.read(group, read, tier: .all) }
    }
  }
}
