internal import Glibc
internal import JepsenHistory
internal import KVBase

extension Stage {
  /// How long a run waits after a fault until the cluster has recovered, before it goes on anyway.
  static let recoveryTimeout: Duration = .seconds(30)
  /// The least calm between a recovery and the next fault.
  static let leastCalmNanoseconds: UInt64 = 1_000_000_000

  var abilities: StageAbilities {
    StageAbilities(
      nodes: layout.nodes, hasFramedLinks: hasFramedLinks, usesFaultLibrary: usesFaultLibrary)
  }

  /// Carries out the faults of a schedule while the load runs, one round after the other, and
  /// writes each to `faults.jsonl`. The caller has asked the catalog whether the names can be used.
  func runNemeses(
    _ names: [String], seconds: Double, seed: UInt64, clock: RunClock, hotKey: String
  ) async -> [FaultRecord] {
    beginWatch(clock: clock, hotKey: hotKey)
    let milliseconds = Int(seconds * 1000)
    let rounds = FaultSchedule.make(names, milliseconds: milliseconds, seed: seed, abilities)
    let end = UInt64(milliseconds) * 1_000_000
    var records: [FaultRecord] = []
    var notBefore: UInt64 = 0
    for round in rounds {
      let planned = UInt64(round.startMilliseconds) * 1_000_000
      let start = max(planned, notBefore)
      let length = UInt64(round.endMilliseconds - round.startMilliseconds) * 1_000_000
      // Recoveries took so long that there is no time left for this one.
      if start > planned, start + length + 2_000_000_000 > end { break }
      guard await clock.wait(until: start) else { break }
      var done = await carryOut(round, startingAt: start, clock)
      let (elapsed, trouble) = await waitUntilHealthy(within: Self.recoveryTimeout)
      for at in done.indices {
        done[at].proof +=
          trouble.map { "; not well \(Tenths.text(elapsed)) s later: \($0)" }
          ?? "; all nodes served \(Tenths.text(elapsed)) s later"
        log(done[at])
      }
      records += done
      notBefore = clock.now + Self.leastCalmNanoseconds
    }
    return records
  }

  private func carryOut(
    _ round: FaultRound, startingAt start: UInt64, _ clock: RunClock
  ) async -> [FaultRecord] {
    await withTaskGroup(of: (Int, FaultRecord).self) { group in
      for (at, plan) in round.plans.enumerated() {
        let offset = UInt64(plan.startMilliseconds - round.startMilliseconds) * 1_000_000
        group.addTask {
          _ = await clock.wait(until: start + offset)
          var injection = FaultInjection(stage: self, plan: plan, clock: clock)
          return (at, await injection.carryOut())
        }
      }
      var done: [(Int, FaultRecord)] = []
      for await one in group { done.append(one) }
      return done.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private func log(_ record: FaultRecord) {
    Scratch.append(record.jsonLine + "\n", to: layout.folder + "/faults.jsonl")
  }
}

extension RunClock {
  /// - Returns: false where the task was cancelled meanwhile.
  func wait(until instant: UInt64) async -> Bool {
    while true {
      let now = now
      if now >= instant { return !Task.isCancelled }
      do {
        try await Task.sleep(for: .nanoseconds(Int64(min(instant - now, 1_000_000_000))))
      } catch {
        return false
      }
    }
  }
}

extension FaultRecord {
  /// One line of the fault log.
  var jsonLine: String {
    "{\"nemesis\":\(JSON.quoted(nemesis)),\"what\":\(JSON.quoted(what)),\"nodes\":["
      + nodes.map(String.init).joined(separator: ",")
      + "],\"start_ns\":\(startNanoseconds),\"end_ns\":\(endNanoseconds),\"reason\":"
      + JSON.quoted(reason) + ",\"proof\":" + JSON.quoted(proof) + ",\"bit\":\(didBite)}"
  }
}
