import KVBase
import KVCommand
import KVState
import Testing

/// ARCHITECTURE.md, "Exactly once".
@Suite struct StateOnceTests {
  private struct Sent {
    var stamp: SessionStamp
    var answer: CommandResult?
  }

  private let group = GroupID(1)
  private let client = ClientID(createdMilliseconds: 500, random: 1)
  private let increment = CommandBody.mutate(
    keyspace: .default, key: "n", .add(delta: 1, minimum: 0, maximum: .max))

  private func stamp(_ sequence: UInt64, low: UInt64 = 1, of client: ClientID? = nil)
    -> SessionStamp
  {
    SessionStamp(
      client: client ?? self.client, sequence: sequence, lowestUnacknowledged: low)
  }

  private func fresh() throws -> (StateMachines<MemoryState>, StateTestLog) {
    let machines = StateMachines(store: MemoryState())
    try machines.createGroup(group)
    return (machines, StateTestLog(group))
  }

  private func added(_ value: Int64, _ version: UInt64) -> CommandResult {
    .added(value: value, version: LogIndex(version))
  }

  /// scylladb#4265: a counter's retry must not count twice.
  @Test func aRetriedIncrementCountsOnce() throws {
    var (machines, log) = try fresh()
    #expect(try machines.apply(increment, stamp(1), to: &log) == added(1, 1))
    #expect(try machines.apply(increment, stamp(1), to: &log) == added(1, 1))
    #expect(try machines.apply(increment, stamp(2), to: &log) == added(2, 3))
    #expect(try machines.apply(increment, stamp(1), to: &log) == added(1, 1))
    #expect(try machines.get(group, "n")?.value == "2")
  }

  /// The same of an append, in batches of its own and within one.
  @Test func aRetriedAppendAppendsOnce() throws {
    var (machines, log) = try fresh()
    func append(_ suffix: Bytes) -> CommandBody {
      .mutate(keyspace: .default, key: "j", .append(suffix: suffix))
    }
    let first = CommandResult.appended(length: 2, version: LogIndex(1))
    #expect(try machines.apply(append("a,"), stamp(1), to: &log) == first)
    #expect(try machines.apply(append("a,"), stamp(1), to: &log) == first)
    let before = log.lastIndex
    for (sequence, suffix) in [(2, "b,"), (2, "b,"), (1, "a,"), (3, "c,")] as [(UInt64, Bytes)] {
      log.append(append(suffix), stamp(sequence))
    }
    let results = try machines.apply([log.request(after: before)])[0].results
    let second = CommandResult.appended(length: 4, version: LogIndex(3))
    #expect(
      results == [second, second, first, .appended(length: 6, version: LogIndex(6))])
    #expect(try machines.get(group, "j")?.value == "a,b,c,")
    // A refusal stays one, though there would be room by now.
    let long = Bytes([UInt8](repeating: 1, count: Limits.valueBytes - 5))
    let refused = CommandResult.valueTooLong(current: 6)
    #expect(try machines.apply(append(long), stamp(4), to: &log) == refused)
    let delete = CommandBody.mutate(keyspace: .default, key: "j", .delete())
    _ = try machines.apply(delete, stamp(5), to: &log)
    #expect(try machines.apply(append(long), stamp(4), to: &log) == refused)
    #expect(try machines.get(group, "j") == nil)
  }

  @Test func twoTriesInOneBatchCountOnce() throws {
    var (machines, log) = try fresh()
    for sequence in [1, 1, 2, 1, 2] as [UInt64] { log.append(increment, stamp(sequence)) }
    let results = try machines.apply([log.request(after: .zero)])[0].results
    #expect(results == [added(1, 1), added(1, 1), added(2, 3), added(1, 1), added(2, 3)])
  }

  /// A refusal is a result too: a retry is answered as the first try was.
  @Test func aRetryOfWhatDidNotHappenDoesNotHappenEither() throws {
    var (machines, log) = try fresh()
    let ifPresent = CommandBody.mutate(
      keyspace: .default, key: "k", .put(value: "1", condition: .ifPresent))
    let plain = CommandBody.mutate(keyspace: .default, key: "k", .put(value: "2"))
    #expect(
      try machines.apply(ifPresent, stamp(1), to: &log) == .conditionFailed(current: .zero))
    #expect(try machines.apply(plain, stamp(2), to: &log) == .written(version: LogIndex(2)))
    #expect(
      try machines.apply(ifPresent, stamp(1), to: &log) == .conditionFailed(current: .zero))
    #expect(try machines.get(group, "k")?.value == "2")
  }

  /// Sequences come out of order where one request overtakes another: each is new once.
  @Test func sequencesMayComeOutOfOrder() throws {
    var (machines, log) = try fresh()
    #expect(try machines.apply(increment, stamp(5), to: &log) == added(1, 1))
    #expect(try machines.apply(increment, stamp(3), to: &log) == added(2, 2))
    #expect(try machines.apply(increment, stamp(4), to: &log) == added(3, 3))
    #expect(try machines.apply(increment, stamp(3), to: &log) == added(2, 2))
  }

  @Test func belowTheWatermarkNothingHappens() throws {
    var (machines, log) = try fresh()
    #expect(try machines.apply(increment, stamp(1), to: &log) == added(1, 1))
    #expect(try machines.apply(increment, stamp(5, low: 4), to: &log) == added(2, 2))
    for sequence in 1...3 as ClosedRange<UInt64> {
      #expect(try machines.apply(increment, stamp(sequence), to: &log) == .sequenceTooLow)
    }
    // The watermark never goes back.
    #expect(try machines.apply(increment, stamp(4, low: 1), to: &log) == added(3, 6))
    #expect(try machines.apply(increment, stamp(7, low: 8), to: &log) == .sequenceTooLow)
    #expect(try machines.apply(increment, stamp(5, low: 1), to: &log) == .sequenceTooLow)
    #expect(try machines.get(group, "n")?.value == "3")
    // Of an unknown client too, and it leaves no session.
    let other = ClientID(createdMilliseconds: 600, random: 2)
    #expect(
      try machines.apply(increment, stamp(1, low: 2, of: other), to: &log) == .sequenceTooLow)
    #expect(machines.status(of: group)?.sessionCount == 1)
  }

  @Test func tooManyResultsAreRefusedUntilSomeAreAcknowledged() throws {
    var (machines, log) = try fresh()
    let limit = UInt64(Limits.resultsPerSession)
    for sequence in 1...limit { log.append(increment, stamp(sequence)) }
    _ = try machines.apply([log.request(after: .zero)])
    let refused = CommandResult.tooManyUnacknowledged
    #expect(try machines.apply(increment, stamp(limit + 1), to: &log) == refused)
    #expect(try machines.apply(increment, stamp(1), to: &log) == added(1, 1))
    let index = log.lastIndex.next.rawValue
    #expect(
      try machines.apply(increment, stamp(limit + 1, low: 2), to: &log)
        == added(Int64(limit) + 1, index))
  }

  /// Evicting the oldest raises the floor to it: it is told that its session is gone, and does not
  /// count a second time.
  @Test func anEvictedClientIsExpiredAndNotNew() throws {
    var (machines, log) = try fresh()
    log.time = 10_000
    let count = UInt64(Limits.sessionsPerGroup)
    func id(_ i: UInt64) -> ClientID { ClientID(createdMilliseconds: 1_000 + i, random: i) }
    for i in 0..<count { log.append(increment, stamp(1, of: id(i))) }
    _ = try machines.apply([log.request(after: .zero)])
    #expect(machines.status(of: group)?.sessionCount == Int(count))
    #expect(machines.status(of: group)?.sessionFloorMilliseconds == 0)

    // One more, created between them, is new; the oldest goes.
    let late = ClientID(createdMilliseconds: 1_001, random: 99)
    let index = log.lastIndex.next.rawValue
    #expect(
      try machines.apply(increment, stamp(1, of: late), to: &log)
        == added(Int64(count) + 1, index))
    #expect(machines.status(of: group)?.sessionCount == Int(count))
    #expect(machines.status(of: group)?.sessionFloorMilliseconds == 1_000)
    let expired = CommandResult.sessionExpired(renewAt: 10_000)
    #expect(try machines.apply(increment, stamp(1, of: id(0)), to: &log) == expired)
    #expect(try machines.apply(increment, stamp(2, of: id(0)), to: &log) == expired)
    #expect(try machines.apply(increment, stamp(1, of: id(1)), to: &log) == added(2, 2))
    #expect(try machines.get(group, "n")?.value == Bytes("\(count + 1)"))

    // The rows say the same after a restart.
    let again = StateMachines(store: machines.store)
    #expect(try again.open(group, generation: firstGeneration) == machines.status(of: group))
    #expect(try again.snapshot(group) == machines.snapshot(group))
  }

  /// As many clients as there is room for come and go: one that is at work is not evicted.
  @Test func aClientAtWorkIsNotEvictedByThoseThatComeAndGo() throws {
    var (machines, log) = try fresh()
    var done: Int64 = 0
    for i in 0..<UInt64(Limits.sessionsPerGroup + 200) {
      log.time += 1
      if i % 100 == 0 {
        done += 1
        log.append(increment, stamp(UInt64(done), low: UInt64(done)))
      }
      let short = ClientID(createdMilliseconds: 600 + i, random: 7)
      log.append(.mutate(keyspace: .default, key: "k", .put(value: "1")), stamp(1, of: short))
    }
    _ = try machines.apply([log.request(after: .zero)])
    let index = log.lastIndex.next.rawValue
    #expect(
      try machines.apply(increment, stamp(UInt64(done) + 1, low: UInt64(done) + 1), to: &log)
        == added(done + 1, index))
  }

  /// The number of one command on another: it is not answered with what the first one did.
  @Test func aSequenceOfAnotherCommandIsRefused() throws {
    var (machines, log) = try fresh()
    func put(_ key: Bytes, _ value: Bytes) -> CommandBody {
      .mutate(keyspace: .default, key: key, .put(value: value))
    }
    let first = try machines.apply(put("a", "1"), stamp(1), to: &log)
    #expect(first == .written(version: LogIndex(1)))
    for other in [put("b", "1"), put("a", "2"), increment] {
      let second = try machines.apply(other, stamp(1), to: &log)
      #expect(second != first, "\(other) was answered with what another command did")
      #expect(second == .sequenceReused)
    }
    #expect(try machines.apply(put("a", "1"), stamp(1), to: &log) == first)
  }

  @Test func expiryForgetsThroughATimeAndKeepsTheRest() throws {
    var (machines, log) = try fresh()
    let old = ClientID(createdMilliseconds: 10, random: 1)
    let young = ClientID(createdMilliseconds: 11, random: 1)
    for client in [old, young] { log.append(increment, stamp(1, of: client)) }
    log.append(.expireSessions(createdThroughMilliseconds: 10))
    log.append(increment, stamp(1, of: old))
    log.append(increment, stamp(1, of: young))
    log.append(increment, stamp(1, of: ClientID(createdMilliseconds: 9, random: 4)))
    // Going back changes nothing.
    log.append(.expireSessions(createdThroughMilliseconds: 3))
    log.append(increment, stamp(1, of: ClientID(createdMilliseconds: 9, random: 5)))
    let results = try machines.apply([log.request(after: .zero)])[0].results
    #expect(
      results == [
        added(1, 1), added(2, 2), .done, .sessionExpired(renewAt: 1_000), added(2, 2),
        .sessionExpired(renewAt: 1_000), .done, .sessionExpired(renewAt: 1_000),
      ])
    #expect(machines.status(of: group)?.sessionFloorMilliseconds == 10)
    let again = StateMachines(store: machines.store)
    #expect(try again.open(group, generation: firstGeneration)?.sessionCount == 1)
  }

  /// A client may expire its own session: nothing of it must come back with the batch's end.
  @Test func aSessionThatExpiresItselfStaysGone() throws {
    var (machines, log) = try fresh()
    log.append(increment, stamp(1))
    log.append(.expireSessions(createdThroughMilliseconds: 500), stamp(2))
    log.append(increment, stamp(3))
    let results = try machines.apply([log.request(after: .zero)])[0].results
    #expect(results == [added(1, 1), .done, .sessionExpired(renewAt: 1_000)])
    let again = StateMachines(store: machines.store)
    #expect(try again.open(group, generation: firstGeneration)?.sessionCount == 0)
  }

  /// Over many clients, retries, duplicates, restarts and installations: the counter is the number
  /// of increments that were answered as done.
  @Test(arguments: StoreKind.allCases, 0..<6 as Range<UInt64>)
  func theCounterIsTheNumberOfIncrements(_ kind: StoreKind, _ seed: UInt64) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var random = SeededRandom(seed: seed)
      var machines = StateMachines(store: fixture.store)
      var generation = firstGeneration
      try machines.createGroup(group)
      var log = StateTestLog(group)
      var sent: [Sent] = []
      var low: [UInt64] = [1, 1, 1, 1]
      var next: [UInt64] = [1, 1, 1, 1]
      for _ in 0..<150 {
        let before = log.lastIndex
        var tries: [Int] = []
        for _ in 0..<1 + random.below(8) {
          if !sent.isEmpty, random.chance(1, in: 2) {
            tries.append(sent.count - 1 - Int(random.below(UInt64(min(20, sent.count)))))
          } else {
            let who = Int(random.below(4))
            let id = ClientID(createdMilliseconds: 100, random: UInt64(who))
            sent.append(
              Sent(
                stamp: SessionStamp(
                  client: id, sequence: next[who], lowestUnacknowledged: low[who])))
            next[who] += 1
            tries.append(sent.count - 1)
          }
          log.append(increment, sent[tries[tries.count - 1]].stamp)
        }
        let results = try machines.apply([log.request(after: before, generation: generation)])[0]
          .results
        for (at, result) in zip(tries, results) {
          if let answer = sent[at].answer, result != .sequenceTooLow {
            #expect(result == answer, "\(kind), seed \(seed)")
          }
          if sent[at].answer == nil, result != .sequenceTooLow { sent[at].answer = result }
        }
        if random.chance(1, in: 4) {
          let who = Int(random.below(4))
          low[who] = max(low[who], next[who] - min(next[who] - 1, random.below(12)))
        }
        if random.chance(1, in: 20) {
          machines = StateMachines(store: fixture.store)
          _ = try machines.open(group, generation: generation)
        }
        if random.chance(1, in: 20) {
          generation = generation.next
          try machines.install(machines.snapshot(group), group, generation)
        }
      }
      let done = sent.filter { if case .added? = $0.answer { true } else { false } }.count
      #expect(try machines.get(group, "n")?.value == Bytes("\(done)"), "\(kind), seed \(seed)")
      #expect(done > 100)
    }
    try body(kind.make())
  }
}
