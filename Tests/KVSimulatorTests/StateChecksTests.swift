import KVBase
import KVCommand
import KVState
import Testing

@testable import KVSimulator

/// Replicas that applied the same entries and do not hold the same state: digests of entries and
/// applied indexes are equal in every one of these.
@Suite struct StateChecksTests {
  private typealias Machines = StateMachines<MemoryState>

  private let group = GroupID(1)
  private let generation = Generation(rawValue: 1)
  private let client = ClientID(createdMilliseconds: 5, random: 7)

  private func machines() throws -> Machines {
    let machines = Machines(store: MemoryState())
    _ = try machines.create(
      group, generation: generation,
      configuration: GroupConfiguration(voters: [ReplicaID(node: NodeID(1))]), meta: nil)
    return machines
  }

  private func put(_ key: String, _ value: String) -> CommandBody {
    .mutate(keyspace: .default, key: Bytes(key), .put(value: Bytes(value)))
  }

  private func entry(
    _ index: UInt64, _ body: CommandBody, client: ClientID = .none
  ) -> LogEntry {
    var writer = ByteWriter()
    Command(
      session: SessionStamp(client: client, sequence: index, lowestUnacknowledged: 1), body: body
    ).encode(into: &writer)
    return LogEntry(
      index: LogIndex(index), term: Term(1), kind: .command, logTimeMilliseconds: 10,
      payload: writer.take())
  }

  private func apply(_ entries: [LogEntry], to machines: Machines) throws -> ApplyResult {
    try machines.apply([ApplyRequest(group: group, generation: generation, entries: entries)])[0]
  }

  /// Two replicas that applied the same, and what was done to the second one besides.
  private func findings(
    _ bodies: [CommandBody], client: ClientID = .none, breaking: (Machines) throws -> Void
  ) throws -> [String] {
    let entries = bodies.enumerated().map { entry(UInt64($0 + 1), $1, client: client) }
    let (first, second) = (try machines(), try machines())
    let results = [try apply(entries, to: first), try apply(entries, to: second)]
    var effects = EffectChecks(groups: 2)
    for (entry, result) in zip(entries, results[0].results) {
      effects.applied(entry, result, group: group)
    }
    try breaking(second)
    // What is compared without a look at the state.
    #expect(results[0].digest == results[1].digest && results[0].results == results[1].results)
    #expect(first.status(of: group)?.appliedIndex == second.status(of: group)?.appliedIndex)
    var checks = StateChecks()
    for (name, machines) in [("n1", first), ("n2", second)] {
      let image = try #require(try machines.image(of: group))
      checks.compare(image, group, name, effects)
      checks.compare(image, stored: try machines.storedImage(of: group), group, name)
    }
    #expect(checks.imagesCompared == 1)
    return checks.removeFindings().map(\.what)
  }

  private func write(_ machines: Machines, _ fill: (inout MemoryBatch) -> Void) throws {
    var batch = MemoryBatch()
    fill(&batch)
    try machines.store.write(&batch)
  }

  @Test func equalReplicasPass() throws {
    let found = try findings(
      [put("a", "1"), put("b", "2"), put("a", "3"), .dropKeyspaceRecords(KeyspaceID(9))],
      client: client
    ) { _ in }
    #expect(found == [])
  }

  @Test func aReplicaThatLostTheEffectOfOnePutIsFound() throws {
    let key = StateKey(group, generation).record(.default, "b")
    let found = try findings([put("a", "1"), put("b", "2")]) { machines in
      try write(machines) { $0.delete(key: key) }
    }
    #expect(
      found.contains { $0.contains("the record of \"b\"") && $0.contains("on n2") }, "\(found)")
  }

  @Test func anEffectThatAllReplicasLostIsFoundByTheLog() throws {
    var effects = EffectChecks(groups: 2)
    let machines = try machines()
    let entries = [entry(1, put("a", "1")), entry(2, put("b", "2"))]
    for (entry, result) in zip(entries, try apply(entries, to: machines).results) {
      effects.applied(entry, result, group: group)
    }
    try write(machines) { $0.delete(key: StateKey(group, generation).record(.default, "a")) }
    var checks = StateChecks()
    let image = try #require(try machines.image(of: group))
    checks.compare(image, group, "n1", effects)
    #expect(checks.removeFindings().map(\.check) == [.equalState])
  }

  @Test func whatAnEntryHasMadeOfItsKeyIsComparedAsItIsApplied() throws {
    var effects = EffectChecks(groups: 2)
    let entries = [entry(1, put("a", "1")), entry(2, put("a", "2"))]
    for entry in entries {
      effects.applied(entry, .written(version: entry.index), group: group)
    }
    var checks = StateChecks()
    let last = try #require(effects.expected(after: LogIndex(1), group, through: LogIndex(2)))
    checks.compare(Record(version: LogIndex(2), value: "2"), with: last, group, "n1")
    #expect(!checks.hasFound)
    checks.compare(Record(version: LogIndex(1), value: "1"), with: last, group, "n1")
    checks.compare(nil, with: last, group, "n1")
    #expect(checks.removeFindings().map(\.check) == [.equalState, .equalState])
    #expect(effects.expected(after: LogIndex(3), group, through: LogIndex(3)) == nil)
  }

  @Test func aSessionThatOneReplicaForgotIsFound() throws {
    let other = ClientID(createdMilliseconds: 5, random: 8)
    let (first, second) = (try machines(), try machines())
    _ = try apply([entry(1, put("a", "1"), client: client)], to: first)
    _ = try apply([entry(1, put("a", "1"), client: other)], to: second)
    var checks = StateChecks()
    for (name, machines) in [("n1", first), ("n2", second)] {
      let image = try #require(try machines.image(of: group))
      checks.compare(image, group, name, effects(of: "a", "1"))
    }
    #expect(checks.hasFound)
  }

  private func effects(of key: String, _ value: String) -> EffectChecks {
    var effects = EffectChecks(groups: 2)
    effects.applied(entry(1, put(key, value)), .written(version: LogIndex(1)), group: group)
    return effects
  }

  @Test func aListOfDroppedKeyspacesThatIsNotStoredIsFound() throws {
    let row = StateKey(group, generation).meta(.droppedKeyspaces)
    let found = try findings([.dropKeyspaceRecords(KeyspaceID(9))]) { machines in
      try write(machines) { $0.delete(key: row) }
    }
    #expect(found.contains { $0.contains("the list of dropped keyspaces") }, "\(found)")
  }
}
