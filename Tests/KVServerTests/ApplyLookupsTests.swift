import KVBase
import KVCommand
import KVState
import Testing

@testable import KVServer

@Suite struct ApplyLookupsTests {
  /// A request of a group that waits for so many records.
  private func parked(_ group: UInt32, records count: Int) throws -> ParkedApply {
    let store = MemoryState()
    let machines = StateMachines(store: store)
    let group = GroupID(group)
    _ = try machines.create(
      group, generation: Generation(1),
      configuration: GroupConfiguration(voters: [ReplicaID(node: NodeID(1))]), meta: nil)
    let entries = (1...UInt64(count)).map { number in
      var writer = ByteWriter()
      Command(
        session: .none, body: .mutate(keyspace: .default, key: Bytes("\(number)"), .delete())
      ).encode(into: &writer)
      return LogEntry(
        index: LogIndex(number), term: Term(1), kind: .command, logTimeMilliseconds: 0,
        payload: writer.take())
    }
    store.missesMemory = true
    let outcome = try machines.applyInMemory([
      ApplyRequest(group: group, generation: Generation(1), entries: entries)
    ])
    return try #require(outcome.parked.first)
  }

  @Test func aFewGroupsAreReadForAtOneTime() throws {
    var lookups = ApplyLookups()
    let all = UInt32(Limits.applyLookupGroups) + 2
    for group in 1...all { lookups.append(try parked(group, records: 1)) }
    var begun: [GroupID] = []
    while let next = lookups.next() { begun.append(next.request.group) }
    #expect(begun == (1..<all - 1).map { GroupID($0) })
    let done = lookups.received(LookedUpRecords(), for: GroupID(3))
    #expect(done?.group == GroupID(3))
    let next = lookups.next()
    #expect(next?.request.group == GroupID(all - 1))
    let tooMany = lookups.next()
    #expect(tooMany == nil)
  }

  @Test func aRequestGoesOnWhenAllItsPartsAreThere() throws {
    var lookups = ApplyLookups()
    let parked = try parked(1, records: 10)
    #expect(parked.keys.count == 10)
    lookups.append(parked)
    // Another one of the group, as after a snapshot, waits for its turn.
    lookups.append(try self.parked(1, records: 1))
    let first = lookups.next()
    let parts = try #require(first).parts
    #expect(parts.count == Limits.readThreads && parts.map(\.count).reduce(0, +) == 10)
    let second = lookups.next()
    #expect(second == nil)
    for part in 1...parts.count {
      let request = lookups.received(LookedUpRecords(), for: GroupID(1))
      #expect((request != nil) == (part == parts.count))
    }
    let third = lookups.next()
    #expect(third != nil)
  }
}
