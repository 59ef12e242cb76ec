import Foundation
import KVBase
import Testing

@testable import KVRaft

/// Groups under random faults, from a seed: the properties of figure 3 hold after every step, and
/// once the faults end the group works again.
@Suite struct SafetyTests {
  /// One random run. Answers what was broken.
  static func run(seed: UInt64, milliseconds: UInt64 = 6000) -> Cluster {
    var choices = SeededRandom(seed: seed)
    var options = Cluster.Options()
    options.latency = 1...(1 + choices.below(20))
    options.disk = 1...(1 + choices.below(30))
    options.dropPercent = choices.below(8)
    options.duplicatePercent = choices.below(8)
    options.keepEntries = choices.chance(1, in: 2) ? 5 + Int(choices.below(20)) : 0
    options.settings.tailBytes = 200 + Int(choices.below(2000))
    options.settings.appendBytes = 100 + Int(choices.below(1000))
    options.settings.inflightBytes = 500 + Int(choices.below(3000))
    options.checkEvery = 16
    options.maxApplyBytes = 100 + Int(choices.below(500))
    let voters = 3 + UInt32(choices.below(3))
    let cluster = Cluster(
      GroupConfiguration(1...voters), spares: [r(voters + 1), r(voters + 2)], seed: seed,
      options: options)
    cluster.startAll()
    let chaos = Chaos(cluster: cluster, random: choices, until: ms(milliseconds))
    chaos.begin()
    cluster.run(milliseconds: milliseconds)
    return cluster
  }

  /// `RAFT_SEEDS=500 swift test` runs more of them; `RAFT_FIRST_SEED` says where to begin.
  static var seeds: ClosedRange<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["RAFT_FIRST_SEED"].flatMap(UInt64.init) ?? 1
    return first...(first + (environment["RAFT_SEEDS"].flatMap(UInt64.init) ?? 40) - 1)
  }

  @Test(arguments: Self.seeds)
  func figure3_propertiesHoldUnderRandomFaults(seed: UInt64) {
    let cluster = Self.run(seed: seed)
    #expect(cluster.findings.isEmpty, "seed \(seed): \(cluster.findings.first ?? "")")
    guard cluster.findings.isEmpty else { return }
    cluster.heal()
    for host in cluster.hosts.indices {
      cluster.resumeDisk(host)
      cluster.start(host)
    }
    let hasConverged = cluster.converges(within: 20_000)
    #expect(hasConverged, "seed \(seed): the group does not work again")
    #expect(cluster.findings.isEmpty, "seed \(seed): \(cluster.findings.first ?? "")")
    #expect(cluster.highestCommit > LogIndex(5), "seed \(seed): nothing happened")
  }

  @Test func theSameSeedGivesTheSameRun() {
    func signature() -> String {
      let cluster = Self.run(seed: 77, milliseconds: 3000)
      let cores = cluster.hosts.map { host in
        host.core.map { "\($0.term) \($0.lastIndex) \($0.commitIndex)" } ?? "down"
      }
      return "\(cluster.stepCount) \(cluster.highestCommit) \(cores)"
    }
    #expect(signature() == signature())
  }
}

/// Random load and random faults on a cluster.
final class Chaos {
  let cluster: Cluster
  var random: SeededRandom
  let end: Instant
  private var proposals = 0

  init(cluster: Cluster, random: SeededRandom, until end: Instant) {
    self.cluster = cluster
    self.random = random
    self.end = end
  }

  func begin() {
    every(3...20) { self.load() }
    every(5...40) { self.read() }
    every(50...400) { self.fault() }
    every(200...900) { self.administer() }
  }

  private func every(_ interval: ClosedRange<UInt64>, _ action: @escaping () -> Void) {
    let wait = random.amount(
      from: .milliseconds(interval.lowerBound), to: .milliseconds(interval.upperBound))
    let next = cluster.now + wait
    guard next < end else { return }
    cluster.at(next) {
      action()
      self.every(interval, action)
    }
  }

  private func anyHost() -> Int { Int(random.below(UInt64(cluster.hosts.count))) }

  private func isUp(_ host: Int) -> Bool {
    cluster.hosts[host].core != nil && cluster.hosts[host].pausedUntil <= cluster.now
  }

  private func load() {
    for host in cluster.hosts.indices
    where isUp(host) && cluster.hosts[host].core?.role == .leader {
      for _ in 0...random.below(4) {
        proposals += 1
        cluster.propose(host, "p\(proposals)")
      }
    }
  }

  private func read() {
    for host in cluster.hosts.indices
    where isUp(host) && cluster.hosts[host].core?.role == .leader {
      cluster.askToRead(host)
    }
  }

  private func fault() {
    let host = anyHost()
    switch random.below(10) {
    case 0, 1:
      cluster.crash(host)
      cluster.at(cluster.now + random.amount(from: .milliseconds(1), to: .milliseconds(800))) {
        self.cluster.start(host)
      }
    case 2:
      // Two at once, started together.
      for other in [host, anyHost()] {
        cluster.crash(other)
        cluster.at(cluster.now + .milliseconds(20)) { self.cluster.start(other) }
      }
    case 3: cluster.isolate(cluster.hosts[host].id.node.rawValue)
    case 4:
      let other = anyHost()
      cluster.block(
        cluster.hosts[host].id.node.rawValue, cluster.hosts[other].id.node.rawValue)
    case 5: cluster.pause(host, milliseconds: 50 + random.below(900))
    case 6:
      cluster.hosts[host].isDiskStalled = true
      cluster.at(cluster.now + random.amount(from: .milliseconds(10), to: .milliseconds(700))) {
        self.cluster.resumeDisk(host)
      }
    case 7 where isUp(host):
      let node = cluster.hosts[anyHost()].id.node
      cluster.input(host) { $0.nodeUnreachable(node, now: self.cluster.now, into: &$1) }
    default: cluster.heal()
    }
  }

  private func administer() {
    guard let host = cluster.leader else { return }
    let ids = cluster.hosts.map(\.id)
    switch random.below(4) {
    case 0:
      let target = ids[anyHost()]
      cluster.input(host) {
        _ = $0.transferLeadership(to: target, now: self.cluster.now, into: &$1)
      }
    case 1:
      cluster.input(host) { $0.stepDown(now: self.cluster.now, into: &$1) }
    default:
      var voters = ids.filter { _ in random.chance(2, in: 3) }
      if voters.count < 2 { voters = ids }
      let learners = ids.filter { !voters.contains($0) && random.chance(1, in: 2) }
      cluster.input(host) {
        _ = try? $0.proposeConfiguration(
          voters: voters, learners: learners, wallMilliseconds: 0, now: self.cluster.now,
          into: &$1)
      }
    }
  }
}
