import KVBase
import KVCommand
import KVState
import Testing

@Suite struct StateApplyTests {
  private static let group = GroupID(3)

  /// Runs a test over a store of each kind.
  private func over(
    _ kind: StoreKind, _ test: (any Machines) throws -> Void
  ) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      try test(TestMachines(fixture: fixture, machines: StateMachines(store: fixture.store)))
    }
    try body(kind.make())
  }

  /// What these tests need of the machines, whatever the store.
  private protocol Machines {
    func create(_ group: GroupID, _ meta: ClusterMap?) throws
    func apply(_ requests: [ApplyRequest]) throws -> [ApplyResult]
    func read(_ group: GroupID, _ command: ReadCommand) throws -> ReadResult?
    func status(_ group: GroupID) -> GroupStatus?
  }

  private struct TestMachines<F: StoreFixture>: Machines {
    let fixture: F
    let machines: StateMachines<F.Store>
    func create(_ group: GroupID, _ meta: ClusterMap?) throws {
      try machines.createGroup(group, meta: meta)
    }
    func apply(_ requests: [ApplyRequest]) throws -> [ApplyResult] {
      try machines.apply(requests)
    }
    func read(_ group: GroupID, _ command: ReadCommand) throws -> ReadResult? {
      try machines.read(group, command, tier: .all)
    }
    func status(_ group: GroupID) -> GroupStatus? { machines.status(of: group) }
  }

  /// Each command with what it must answer, once each in a batch of its own and once all in one.
  @Test(arguments: StoreKind.allCases, [true, false])
  func everyResult(_ kind: StoreKind, _ oneBatch: Bool) throws {
    let k = KeyspaceID.default
    let steps = Self.stepsWithAnswers
    func at(_ index: UInt64) -> LogIndex { LogIndex(index) }
    try over(kind) { machines in
      try machines.create(Self.group, nil)
      var log = StateTestLog(Self.group)
      var results: [CommandResult] = []
      for step in steps {
        let entry = log.append(step.0)
        if oneBatch { continue }
        results += try machines.apply([log.request(after: entry.index.previous)])[0].results
      }
      if oneBatch { results = try machines.apply([log.request(after: .zero)])[0].results }
      for (index, step) in steps.enumerated() {
        #expect(results[index] == step.1, "entry \(index + 1): \(step.0)")
      }
      #expect(
        try machines.read(Self.group, .get(keyspace: k, key: "a")) == .keyspaceDropped)
      #expect(
        try machines.read(Self.group, .get(keyspace: KeyspaceID(2), key: "a"))
          == .record(Record(version: at(46), value: "11")))
      #expect(
        try machines.read(Self.group, .get(keyspace: KeyspaceID(2), key: "j"))
          == .record(Record(version: at(44), value: "one,two")))
    }
  }

  @Test(arguments: StoreKind.allCases)
  func mapCommands(_ kind: StoreKind) throws {
    let first = MemberRecord(node: NodeID(2), incarnation: 7, address: "a:1")
    var moved = first
    moved.address = "b:1"
    let other = MemberRecord(node: NodeID(2), incarnation: 8, address: "a:1")
    let early = MemberRecord(node: NodeID(1), incarnation: 9, address: "c:1")
    let cart = KeyspaceDescriptor(id: KeyspaceID(2), name: "cart", mode: .ap)
    let again = KeyspaceDescriptor(id: KeyspaceID(3), name: "cart", mode: .cp)
    let stranger = MemberRecord(node: NodeID(3), incarnation: 9, address: "c:1")
    let steps: [(MetaCommand, CommandResult, epoch: UInt64)] = [
      (.registerMember(first), .incarnationConflict(recorded: 0), 0),
      (.form(.unformed), .done, 0),
      (.form(formed(5)), .done, 1),
      (.form(formed(6)), .done, 1),
      (.createKeyspace(name: "cart", mode: .ap), .keyspace(cart), 2),
      (.createKeyspace(name: "cart", mode: .cp), .keyspaceExists(cart), 2),
      (.createKeyspace(name: "no such name!", mode: .cp), .invalidName, 2),
      (.dropKeyspace(name: "carts"), .noSuchKeyspace, 2),
      (.dropKeyspace(name: "cart"), .keyspace(cart), 3),
      (.dropKeyspace(name: "cart"), .noSuchKeyspace, 3),
      (.createKeyspace(name: "cart", mode: .cp), .keyspace(again), 4),
      (.registerMember(first), .done, 5),
      (.registerMember(first), .done, 5),
      (.registerMember(other), .incarnationConflict(recorded: 7), 5),
      (.registerMember(moved), .done, 6),
      (.registerMember(early), .done, 7),
      (.registerMember(stranger), .incarnationConflict(recorded: 0), 7),
    ]
    try over(kind) { machines in
      try machines.create(.meta, .unformed)
      var log = StateTestLog(.meta)
      var epoch: UInt64 = 0
      for step in steps {
        let entry = log.append(.meta(step.0))
        let result = try machines.apply([log.request(after: entry.index.previous)])[0]
        #expect(result.results == [step.1], "\(step.0)")
        #expect(result.meta?.epoch.rawValue == (step.epoch == epoch ? nil : step.epoch))
        epoch = step.epoch
        #expect(machines.status(.meta)?.meta?.epoch.rawValue == epoch)
      }
      let map = try #require(machines.status(.meta)?.meta)
      #expect(map.clusterID == 5)
      #expect(map.dropped == [KeyspaceID(2)])
      #expect(map.members == [early, moved])
      #expect(map.keyspaces.map(\.name) == ["default", "cart"])
    }
  }

  @Test func theMapHasItsLimits() {
    var map = formed(members: Limits.nodes)
    for i in 1..<Limits.keyspaces { _ = map.apply(.createKeyspace(name: "k\(i)", mode: .cp)) }
    #expect(map.apply(.createKeyspace(name: "one-more", mode: .cp)) == .tooManyKeyspaces)
    for i in 1...Limits.nodes {
      let member = MemberRecord(node: NodeID(UInt32(i)), incarnation: 1, address: "a")
      #expect(map.apply(.registerMember(member)) == .done)
    }
    let epoch = map.epoch
    let member = MemberRecord(node: NodeID(65), incarnation: 1, address: "a")
    #expect(map.apply(.registerMember(member)) == .incarnationConflict(recorded: 0))
    #expect(map.epoch == epoch)
    var writer = ByteWriter()
    map.encode(into: &writer)
    var reader = ByteReader(writer.take())
    #expect(throws: Never.self) { try ClusterMap(from: &reader) }
  }

  @Test(arguments: StoreKind.allCases)
  func noopsAndConfigurationsMoveTheStatus(_ kind: StoreKind) throws {
    let joint = GroupConfiguration(
      voters: [1, 2, 4].map { ReplicaID(rawValue: $0) },
      outgoing: [1, 2, 3].map { ReplicaID(rawValue: $0) })
    try over(kind) { machines in
      try machines.create(Self.group, nil)
      var log = StateTestLog(Self.group)
      log.append(.noop)
      log.time = 5_000
      log.term = Term(4)
      var writer = ByteWriter()
      joint.encode(into: &writer)
      log.append(.configuration, writer.take())
      log.time = 4_000
      log.append(.noop)
      let result = try machines.apply([log.request(after: .zero)])[0]
      #expect(result.results == [.done, .done, .done])
      #expect(result.index == LogIndex(3) && result.term == Term(4))
      let status = try #require(machines.status(Self.group))
      #expect(status.appliedIndex == LogIndex(3) && status.appliedTerm == Term(4))
      #expect(status.configuration == joint)
      #expect(status.logTimeMilliseconds == 5_000)
      #expect(status.digest == result.digest)
    }
  }

  /// The digest as its description says it, computed here from the bytes.
  @Test func theDigestChainsTheEntries() throws {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(Self.group)
    var log = StateTestLog(Self.group)
    log.append(.noop)
    log.append(.mutate(keyspace: .default, key: "k", .put(value: "v")))
    let result = try machines.apply([log.request(after: .zero)])[0]
    var digest: UInt64 = 0
    for entry in log.entries {
      var writer = ByteWriter()
      for number in [digest, entry.index.rawValue, entry.term.rawValue] { writer.append(number) }
      writer.append(entry.kind.rawValue)
      writer.append(entry.logTimeMilliseconds)
      writer.append(raw: entry.payload)
      digest = XXH3.hash(writer.take())
    }
    #expect(result.digest == digest && digest != 0)
  }

  @Test func whatDoesNotDecodeIsDamageAndWhatDoesNotFollowIsMisuse() throws {
    func fresh() throws -> StateMachines<MemoryState> {
      let machines = StateMachines(store: MemoryState())
      try machines.createGroup(Self.group)
      return machines
    }
    func isMisuse(_ error: any Error) -> Bool {
      if case .misuse? = error as? StorageError { true } else { false }
    }
    for kind in [EntryKind.command, .configuration] {
      var log = StateTestLog(Self.group)
      log.append(kind, "garbage")
      let machines = try fresh()
      #expect {
        try machines.apply([log.request(after: .zero)])
      } throws: { error in
        if case .damaged? = error as? StorageError { true } else { false }
      }
    }
    var log = StateTestLog(Self.group)
    log.append(.noop)
    log.append(.noop)
    #expect(throws: (any Error).self) { try fresh().apply([log.request(after: LogIndex(1))]) }
    #expect {
      try fresh().apply([log.request(after: .zero, generation: Generation(2))])
    } throws: {
      isMisuse($0)
    }
    #expect { try fresh().apply([StateTestLog(GroupID(9)).request(after: .zero)]) } throws: {
      isMisuse($0)
    }
    #expect(try fresh().apply([]).isEmpty)
  }

  @Test(arguments: StoreKind.allCases)
  func pagesAreBoundedAndGoBothWays(_ kind: StoreKind) throws {
    try over(kind) { machines in
      try machines.create(Self.group, nil)
      var log = StateTestLog(Self.group)
      let other = KeyspaceID(2)
      for i in 100..<150 {
        log.append(
          .mutate(keyspace: .default, key: Bytes("k\(i)"), .put(value: Bytes("v\(i)"))))
        log.append(.mutate(keyspace: other, key: Bytes("k\(i)"), .put(value: "x")))
      }
      _ = try machines.apply([log.request(after: .zero)])
      func page(
        _ from: Bytes, _ to: Bytes?, _ limit: Int, down: Bool = false, keysOnly: Bool = false
      ) throws -> (records: [ScannedRecord], more: Bool) {
        let result = try machines.read(
          Self.group,
          .scan(
            ScanCommand(
              keyspace: .default, from: from, to: to, descending: down, keysOnly: keysOnly,
              limit: limit)))
        guard case .page(let records, let more)? = result else {
          Issue.record("\(String(describing: result))")
          return ([], false)
        }
        return (records, more)
      }
      let whole = try page(Bytes(), nil, 50)
      #expect(whole.records.count == 50 && !whole.more)
      #expect(whole.records.first?.key == "k100")
      #expect(whole.records.first?.record == Record(version: LogIndex(1), value: "v100"))
      let part = try page("k110", "k120", 4)
      #expect(part.records.map(\.key) == ["k110", "k111", "k112", "k113"] && part.more)
      let down = try page("k110", "k120", 4, down: true)
      #expect(down.records.map(\.key) == ["k119", "k118", "k117", "k116"] && down.more)
      let keys = try page("k110", "k112", 4, keysOnly: true)
      #expect(keys.records.map(\.key) == ["k110", "k111"] && !keys.more)
      #expect(keys.records.allSatisfy { $0.record.value.isEmpty })
      #expect(try page("k2", "k1", 4).records.isEmpty)
      let none = try page(Bytes(), nil, 0)
      #expect(none.records.isEmpty && none.more)
      #expect(
        try machines.read(
          Self.group, .multiGet(keyspace: .default, keys: ["k149", "nope", "k100"]))
          == .records([
            Record(version: LogIndex(99), value: "v149"), nil,
            Record(version: LogIndex(1), value: "v100"),
          ]))
      #expect(try machines.read(GroupID(77), .get(keyspace: .default, key: "a")) == nil)
    }
  }

  /// Dropping deletes the rows too, also those that the same batch wrote before.
  @Test(arguments: StoreKind.allCases)
  func aDroppedKeyspaceLeavesNoRecords(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let machines = StateMachines(store: fixture.store)
      try machines.createGroup(Self.group)
      var log = StateTestLog(Self.group)
      func put(_ keyspace: UInt32, _ key: Bytes) -> CommandBody {
        .mutate(keyspace: KeyspaceID(keyspace), key: key, .put(value: "v"))
      }
      for keyspace in 2...4 as ClosedRange<UInt32> { log.append(put(keyspace, "early")) }
      _ = try machines.apply([log.request(after: .zero)])
      log.append(put(3, "late"))
      log.append(.dropKeyspaceRecords(KeyspaceID(3)))
      _ = try machines.apply([log.request(after: LogIndex(3))])
      let key = StateKey(Self.group, firstGeneration)
      let rows = try fixture.store.makeView().all(from: key.start(of: .record), to: key.end)
      let left = [2, 4].map { key.record(KeyspaceID($0), "early") }
      #expect(rows.map(\.key) == left)
    }
    try body(kind.make())
  }

  @Test func aPageEndsByBytes() throws {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(Self.group)
    var log = StateTestLog(Self.group)
    let value = Bytes([UInt8](repeating: 1, count: Limits.valueBytes))
    for key in ["a", "b", "c"] as [Bytes] {
      log.append(.mutate(keyspace: .default, key: key, .put(value: value)))
    }
    _ = try machines.apply([log.request(after: .zero)])
    let scan = ScanCommand(
      keyspace: .default, from: Bytes(), to: nil, descending: false, keysOnly: false, limit: 10)
    guard
      case .page(let records, let more)? = try machines.read(
        Self.group, .scan(scan), tier: .all)
    else { return #expect(Bool(false)) }
    #expect(records.count == 1 && more)
    #expect(try machines.read(Self.group, .scan(scan), tier: .memory) == nil)
    machines.store.missesMemory = true
    let get = ReadCommand.get(keyspace: .default, key: "a")
    #expect(try machines.read(Self.group, get, tier: .memory) == nil)
  }

  /// Random commands of random clients, in random batches over two groups, against dictionaries.
  @Test(arguments: StoreKind.allCases, 0..<10 as Range<UInt64>)
  func itBehavesLikeTheDumbModel(_ kind: StoreKind, _ seed: UInt64) throws {
    try over(kind) { machines in
      var random = SeededRandom(seed: seed)
      var clients = RandomClients(5, &random)
      clients.appendsLong = true
      var logs = [1, 2].map { StateTestLog(GroupID($0), time: 100_000) }
      var models = [DumbGroup(time: 100_000), DumbGroup(time: 100_000)]
      var applied = [LogIndex.zero, .zero]
      for log in logs { try machines.create(log.group, nil) }
      for batch in 0..<120 {
        var expected: [[CommandResult]] = [[], []]
        for at in 0...1 {
          for _ in 0..<random.below(12) {
            let command = clients.next(&random)
            let entry = logs[at].append(.command, encoded(command))
            expected[at].append(models[at].apply(command, at: entry.index))
          }
        }
        let requests = [0, 1].map { logs[$0].request(after: applied[$0]) }
        let results = try machines.apply(requests)
        #expect(results.map(\.results) == expected, "\(kind), seed \(seed), batch \(batch)")
        applied = results.map(\.index)
      }
      for at in 0...1 {
        let status = try #require(machines.status(logs[at].group))
        #expect(status.sessionCount == models[at].sessions.count)
        #expect(status.sessionFloorMilliseconds == models[at].floor)
        #expect(Set(status.droppedKeyspaces) == models[at].dropped)
        for id in 1...4 as ClosedRange<UInt32> {
          let keyspace = KeyspaceID(id)
          let expected = (models[at].records[keyspace] ?? [:])
            .map { ScannedRecord(key: $0.key, record: $0.value) }.sorted { $0.key < $1.key }
          guard !models[at].dropped.contains(keyspace) else {
            let get = ReadCommand.get(keyspace: keyspace, key: "key 0")
            #expect(try machines.read(logs[at].group, get) == .keyspaceDropped)
            continue
          }
          var found: [ScannedRecord] = []
          var more = true
          while more {
            // Values of half the limit end a page before its count does.
            let scan = ScanCommand(
              keyspace: keyspace, from: found.last.map { Bytes($0.key.array + [0]) } ?? Bytes(),
              to: nil, descending: false, keysOnly: false, limit: 1_000)
            let page = try #require(try machines.read(logs[at].group, .scan(scan)))
            guard case .page(let records, let hasMore) = page, !hasMore || !records.isEmpty else {
              Issue.record("\(page), seed \(seed)")
              break
            }
            found += records
            more = hasMore
          }
          #expect(found == expected, "\(kind), seed \(seed)")
        }
      }
    }
  }
}
