import KVBase
import KVCommand
import KVState
import Testing

/// Which sessions a partition gives up, and whom it then admits (ARCHITECTURE.md, "Exactly once").
@Suite struct StateEvictionTests {
  private let group = GroupID(1)

  private func put(_ key: Bytes = "k") -> CommandBody {
    .mutate(keyspace: .default, key: key, .put(value: "v"))
  }

  private func stamp(_ client: ClientID, _ sequence: UInt64 = 1) -> SessionStamp {
    SessionStamp(client: client, sequence: sequence, lowestUnacknowledged: sequence)
  }

  private func client(_ created: UInt64, _ random: UInt64 = 1) -> ClientID {
    ClientID(createdMilliseconds: created, random: random)
  }

  private func fresh(limit: Int) throws -> (StateMachines<MemoryState>, StateTestLog) {
    let machines = StateMachines(store: MemoryState(), sessionLimit: limit)
    try machines.createGroup(group)
    return (machines, StateTestLog(group))
  }

  /// Clients come, leave, retry, and use numbers twice, and their clocks are off, in a table that
  /// has room for four; the node restarts, and gets its state by snapshot. Against dictionaries.
  @Test(arguments: StoreKind.allCases, 0..<12 as Range<UInt64>)
  func aSmallTableBehavesLikeTheDumbModel(_ kind: StoreKind, _ seed: UInt64) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var random = SeededRandom(seed: seed)
      var clients = RandomClients(5, &random)
      clients.lifetime = 8
      var log = StateTestLog(group, time: 100_000)
      var model = DumbGroup(time: log.time)
      model.limit = 4
      var machines = StateMachines(store: fixture.store, sessionLimit: 4)
      var generation = firstGeneration
      try machines.createGroup(group)
      var evictions = 0
      var refusals = 0
      for batch in 0..<200 {
        let before = log.lastIndex
        var expected: [CommandResult] = []
        for _ in 0...random.below(6) {
          if random.chance(1, in: 3) { log.time += random.below(40) }
          model.time = log.time
          // Some are created a little ahead of log time.
          clients.time = log.time - 10
          let command = clients.next(&random)
          let floor = model.floor
          let entry = log.append(.command, encoded(command))
          expected.append(model.apply(command, at: entry.index))
          if model.floor > floor { evictions += 1 }
          if case .createdAhead = expected[expected.count - 1] { refusals += 1 }
        }
        let results = try machines.apply([log.request(after: before, generation: generation)])
        #expect(results[0].results == expected, "\(kind), seed \(seed), batch \(batch)")
        let status = try #require(machines.status(of: group))
        #expect(status.sessionCount == model.sessions.count)
        #expect(status.sessionFloorMilliseconds == model.floor)
        #expect(status.sessionFloorMilliseconds <= status.logTimeMilliseconds)
        if random.chance(1, in: 12) {
          machines = StateMachines(store: fixture.store, sessionLimit: 4)
          _ = try machines.open(group, generation: generation)
        }
        if random.chance(1, in: 20) {
          generation = generation.next
          try machines.install(machines.snapshot(group), group, generation)
        }
      }
      #expect(evictions > 20 && refusals > 0, "\(evictions) evictions, \(refusals) refusals")
    }
    try body(kind.make())
  }

  /// The floor stays at or below log time, and whoever takes the time that a refusal names is
  /// admitted, however many sessions of the future there are.
  @Test func whoTakesTheTimeOfARefusalIsAdmitted() throws {
    var (machines, log) = try fresh(limit: 8)
    log.time = 5_000
    for round in 0..<500 as Range<UInt64> {
      for number in 0..<8 as Range<UInt64> {
        let attacker = client(log.time + 1 + round % 4, 1_000 + round * 8 + number)
        _ = try machines.apply(put(), stamp(attacker), to: &log)
      }
      let correct = client(log.time, round)
      var result = try machines.apply(put(), stamp(correct), to: &log)
      // Log time goes on while the client hears of it.
      log.time += 1
      if case .sessionExpired(let renewAt) = result {
        result = try machines.apply(put(), stamp(client(renewAt, round)), to: &log)
      }
      #expect(result == .written(version: log.lastIndex), "round \(round)")
      let status = try #require(machines.status(of: group))
      #expect(status.sessionFloorMilliseconds <= status.logTimeMilliseconds)
    }
  }

  /// An evicted client is refused with a time, for whatever command, and one that takes that time
  /// is new.
  @Test func anEvictedClientIsToldHowToGoOn() throws {
    var (machines, log) = try fresh(limit: 2)
    let evicted = client(900)
    for (number, one) in [evicted, client(901), client(902)].enumerated() {
      let result = try machines.apply(put(), stamp(one), to: &log)
      #expect(result == .written(version: LogIndex(UInt64(number) + 1)))
    }
    let refused = CommandResult.sessionExpired(renewAt: 1_000)
    for sequence in 1...2 as ClosedRange<UInt64> {
      #expect(try machines.apply(put(), stamp(evicted, sequence), to: &log) == refused)
    }
    let again = try machines.apply(put(), stamp(client(1_000), 2), to: &log)
    #expect(again == .written(version: log.lastIndex))
  }

  /// Who has left goes first, however lately it was there; what still arrives of it is refused.
  @Test func whoHasLeftGoesFirst() throws {
    var (machines, log) = try fresh(limit: 3)
    let (idle, left, active) = (client(1), client(2), client(3))
    for one in [idle, left, active] { _ = try machines.apply(put(), stamp(one), to: &log) }
    let end = SessionStamp(client: left, sequence: 0, lowestUnacknowledged: 0)
    #expect(try machines.apply(.endSession, end, to: &log) == .done)
    #expect(try machines.apply(.endSession, end, to: &log) == .done)
    // A retry that comes late, and a command that was never seen.
    for sequence in [1, 2] as [UInt64] {
      #expect(try machines.apply(put(), stamp(left, sequence), to: &log) == .sequenceTooLow)
    }
    let floor = machines.status(of: group)?.sessionFloorMilliseconds
    #expect(floor == 0)
    _ = try machines.apply(put(), stamp(client(4)), to: &log)
    for one in [idle, active] {
      let result = try machines.apply(put(), stamp(one, 2), to: &log)
      #expect(result == .written(version: log.lastIndex))
    }
    let refused = CommandResult.sessionExpired(renewAt: 1_000)
    #expect(try machines.apply(put(), stamp(left, 3), to: &log) == refused)
  }

  /// The end of a session that the partition does not have leaves nothing, and keeps nobody out.
  @Test func theEndOfAnUnknownSessionLeavesNothing() throws {
    var (machines, log) = try fresh(limit: 3)
    #expect(try machines.apply(.endSession, stamp(client(7)), to: &log) == .done)
    #expect(machines.status(of: group)?.sessionCount == 0)
    let result = try machines.apply(put(), stamp(client(7)), to: &log)
    #expect(result == .written(version: LogIndex(2)))
  }

  /// A time beyond log time is not what the floor becomes.
  @Test func expiryNeverPassesLogTime() throws {
    var (machines, log) = try fresh(limit: 3)
    _ = try machines.apply(put(), stamp(client(1_500)), to: &log)
    let body = CommandBody.expireSessions(createdThroughMilliseconds: .max)
    #expect(try machines.apply(body, to: &log) == .done)
    let status = try #require(machines.status(of: group))
    #expect(status.sessionFloorMilliseconds == 1_000 && status.sessionCount == 1)
  }

  #if PlantedFaults
    /// What the checks of a simulation are there to catch, shown on one replica.
    @Test func plantedFaultsDoWhatTheySay() throws {
      func results(_ fault: PlantedFault?, _ commands: [(SessionStamp, CommandBody)]) throws
        -> [CommandResult]
      {
        var (machines, log) = try fresh(limit: 2)
        machines.plantedFault = fault
        return try commands.map { try machines.apply($0.1, $0.0, to: &log) }
      }
      let evicted = client(900)
      let evicting = [evicted, client(901), client(902), evicted].map { (stamp($0), put()) }
      #expect(try results(nil, evicting)[3] == .sessionExpired(renewAt: 1_000))
      #expect(
        try results(.evictedWithoutFloor, evicting)[3] == .written(version: LogIndex(4)))
      let twice = [(stamp(evicted), put("a")), (stamp(evicted), put("b"))]
      #expect(try results(nil, twice)[1] == .sequenceReused)
      #expect(try results(.fingerprintIgnored, twice)[1] == .written(version: LogIndex(1)))
    }
  #endif
}
