import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

/// Everything that can go wrong at once, from a seed: what the client says of each call must be
/// true in the end, whatever still arrives late.
@Suite struct ChaosTests {
  struct Trial {
    let cluster: FakeCluster
    var random: SeededRandom
    var calls: [(id: UInt64, key: Bytes)] = []

    init(seed: UInt64) {
      random = SeededRandom(seed: seed)
      cluster = FakeCluster(partitions: 4)
    }

    /// One request in a few meets with trouble.
    func meddle(_ trouble: UInt64) {
      var random = SeededRandom(seed: trouble)
      cluster.script = { _, request in
        switch random.below(24) {
        case 0: return .silence
        case 1: return .disconnect
        case 2: return .applyThenDisconnect
        case 3: return .reply(FakeCluster.failure(.noLeader))
        case 4: return .reply(FakeCluster.failure(.noQuorum))
        case 5: return .reply(FakeCluster.failure(.leadershipLost, notStarted: false))
        case 6:
          return .reply(
            FakeCluster.failure(.notLeader, leader: NodeID(UInt32(1 + random.below(3)))))
        case 7: return .reply(FakeCluster.failure(.overloaded, code: .resourceExhausted))
        case 8: return random.chance(1, in: 8) ? .raw("nonsense") : nil
        case 9: return .reply(FakeCluster.failure(.none, notStarted: false))
        default: return nil
        }
      }
    }

    mutating func step() {
      switch random.below(12) {
      case 0..<5:
        let key = Bytes("unique-\(calls.count)")
        var options = CallOptions(timeout: .milliseconds(100 + random.below(3000)))
        options.retriesUnknown = random.chance(3, in: 4)
        let id = cluster.call(.mutate(key: key, .add(delta: 1, minimum: 0, maximum: 9)), options)
        calls.append((id, key))
      case 5: cluster.advance(milliseconds: random.below(400))
      case 6:
        let group = Int(random.below(5))
        cluster.leaders[group] = NodeID(UInt32(1 + random.below(3)))
      case 7: cluster.disconnect(NodeID(UInt32(1 + random.below(3))))
      case 8:
        let states: [FakeCluster.Health] = [.up, .up, .down, .silent, .blackHole]
        let node = NodeID(UInt32(1 + random.below(3)))
        cluster.health[node] = states[Int(random.below(5))]
        if cluster.health[node] == .down { cluster.disconnect(node) }
      case 9: cluster.applyOneHeld(&random)
      case 10: cluster.releaseHeld()
      default:
        if let call = calls.last, random.chance(1, in: 6) {
          cluster.core.cancel(CallID(call.id), now: cluster.clock, into: &cluster.outputs)
          cluster.drain()
        }
      }
    }
  }

  @Test(arguments: 0..<60) func outcomesAreTrue(seed: Int) {
    var trial = Trial(seed: UInt64(seed))
    trial.meddle(UInt64(seed) &* 77 &+ 1)
    for _ in 0..<400 { trial.step() }
    let cluster = trial.cluster
    cluster.advance(milliseconds: 10_000)
    // What was still under way lands now, after everyone has stopped waiting.
    while cluster.applyOneHeld(&trial.random) {}
    var counts = (applied: 0, rejected: 0, unknown: 0)
    for (id, key) in trial.calls {
      let value = cluster.data[key]?.value.text ?? "0"
      switch cluster.completions[id] {
      case .applied(.added(let sum, _), _):
        counts.applied += 1
        #expect(sum == 1 && value == "1", "seed \(seed): \(key) applied, is \(value)")
      case .rejected(let failure):
        counts.rejected += 1
        #expect(value == "0", "seed \(seed): \(key) rejected (\(failure.message)), is \(value)")
        #expect(failure.notStarted)
      case .unknown:
        counts.unknown += 1
        #expect(value == "0" || value == "1", "seed \(seed): \(key) is \(value)")
      case let other:
        Issue.record("seed \(seed): call \(id) ended with \(String(describing: other))")
      }
    }
    #expect(cluster.core.callsInProgress == 0)
    #expect(counts.applied > 5, "seed \(seed): \(counts)")
  }

  /// The check above can fail: a cluster that forgets sessions applies retries twice.
  @Test func aClusterWithoutSessionsIsFoundOut() {
    var doubled = 0
    for seed in 0..<10 {
      var trial = Trial(seed: UInt64(seed))
      trial.cluster.forgetsSessions = true
      trial.meddle(UInt64(seed) &* 77 &+ 1)
      for _ in 0..<400 { trial.step() }
      trial.cluster.advance(milliseconds: 10_000)
      for (_, key) in trial.calls where trial.cluster.data[key]?.value.text == "2" { doubled += 1 }
    }
    #expect(doubled > 0)
  }

  @Test func theSameSeedGivesTheSameRun() {
    func run() -> [String] {
      var trial = Trial(seed: 4)
      trial.meddle(9)
      for _ in 0..<400 { trial.step() }
      return trial.cluster.received.map {
        "\($0.node) \($0.request.method) \($0.command?.session.sequence ?? 0)"
      }
    }
    #expect(run() == run())
  }
}
