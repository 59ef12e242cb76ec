import KVBase
import KVCommand
import KVState
import Testing

/// Applying without waiting for files: what has to wait, what goes on, and that it comes to the
/// same.
@Suite struct StateLookupTests {
  private let group = GroupID(1)
  private let other = GroupID(2)

  private func put(_ key: Bytes, _ value: Bytes) -> CommandBody {
    .mutate(keyspace: .default, key: key, .put(value: value))
  }

  private func delete(_ key: Bytes) -> CommandBody {
    .mutate(keyspace: .default, key: key, .delete())
  }

  @Test func aGroupWaitsForItsRecordsAndOthersGoOn() throws {
    let store = MemoryState()
    let machines = StateMachines(store: store)
    try machines.createGroup(group)
    try machines.createGroup(other)
    var log = StateTestLog(group)
    var second = StateTestLog(other)
    log.append(put("a", "1"))
    log.append(delete("a"))
    log.append(delete("b"))
    log.append(put("c", "1"))
    second.append(put("x", "1"))
    store.missesMemory = true
    let outcome = try machines.applyInMemory([
      log.request(after: .zero), second.request(after: .zero),
    ])
    // "a" was written by the same batch, so only "b" is missing.
    #expect(outcome.results.map(\.index) == [LogIndex(2), LogIndex(1)])
    #expect(outcome.results.map(\.isWhole) == [false, true])
    let parked = try #require(outcome.parked.first)
    #expect(outcome.parked.count == 1 && parked.keys.count == 1)
    #expect(parked.request.entries.map(\.index) == [LogIndex(3), LogIndex(4)])
    #expect(machines.publishedIndexes().map(\.index) == [LogIndex(2), LogIndex(1)])
    var request = parked.request
    request.records = try machines.lookUp(parked.keys[...])
    let rest = try machines.applyInMemory([request])
    #expect(rest.parked.isEmpty)
    #expect(rest.results.map(\.index) == [LogIndex(4)] && rest.results[0].isWhole)
  }

  /// Whatever is in memory or not, and however much is looked up at one time, results, digest and
  /// state are those of applying everything at once.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func itComesToTheSame(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let store = MemoryState()
    let machines = StateMachines(store: store)
    let reference = StateMachines(store: MemoryState())
    try machines.createGroup(group)
    try reference.createGroup(group)
    var log = StateTestLog(group)
    var results: [CommandResult] = []
    for round in 0..<30 as Range<UInt64> {
      let before = log.lastIndex
      for number in 0..<1 + random.below(200) {
        let key = Bytes("k\(random.below(100))")
        let client = ClientID(createdMilliseconds: 5, random: random.below(4))
        // A sequence may come twice: a retry.
        let stamp = SessionStamp(
          client: client, sequence: round * 1000 + number - min(number, random.below(2)),
          lowestUnacknowledged: round * 1000)
        switch random.below(4) {
        case 0: log.append(put(key, Bytes("\(number)")), stamp)
        case 1: log.append(delete(key), stamp)
        case 2:
          log.append(.mutate(keyspace: .default, key: key, .append(suffix: "+")), stamp)
        default: log.append(.noop)
        }
      }
      let expected = try reference.apply([log.request(after: before)])
      var request: ApplyRequest? = log.request(after: before)
      var found: [CommandResult] = []
      var digest: UInt64 = 0
      while let next = request {
        request = nil
        store.missesMemory = random.below(3) > 0
        let outcome = try machines.applyInMemory([next])
        for result in outcome.results {
          found += result.results
          digest = result.digest
        }
        guard let parked = outcome.parked.first else { continue }
        let count = 1 + Int(random.below(UInt64(parked.keys.count)))
        request = parked.request
        request?.records = try machines.lookUp(parked.keys[..<count])
      }
      #expect(found == expected[0].results && digest == expected[0].digest)
      results += found
    }
    store.missesMemory = false
    #expect(results.count == log.entries.count)
    for number in 0..<100 {
      let key = Bytes("k\(number)")
      #expect(try machines.get(group, key) == reference.get(group, key))
    }
  }

  /// Nothing that is called where no file may be waited for reads one.
  @Test func whatWaitsForNoFileDecidesWithoutOne() throws {
    let store = MemoryState()
    let machines = StateMachines(store: store)
    try machines.createGroup(group)
    var log = StateTestLog(group)
    _ = try machines.apply(put("a", "1"), to: &log)
    store.missesMemory = true
    #expect(try store.mayContain(from: "a", to: "b", tier: .memory))
    #expect(try !store.mayContain(from: "a", to: "a", tier: .all))
    try machines.beginInstall(group, generation: Generation(2))
    try machines.remove(group)
    store.missesMemory = false
    #expect(try machines.read(group, .get(keyspace: .default, key: "a"), tier: .all) == nil)
  }
}
