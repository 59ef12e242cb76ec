import KVBase
import Testing

@testable import KVRaft

/// Scenarios in which a fault of a kind that real systems had would break a guarantee. The code as
/// it is comes through; with the fault planted (`swift test --traits PlantedFaults`) the checks of
/// `Cluster+Checks.swift` find it.
@Suite struct PlantedFaultTests {
  /// r1 and r2 don't hear each other; r3 votes for both, with a crash between.
  private func crashBetweenTwoVotes(_ plant: (Cluster) -> Void) -> Cluster {
    let cluster = Cluster(GroupConfiguration(1...3))
    plant(cluster)
    cluster.startAll()
    cluster.block(1, 2)
    cluster.block(2, 1)
    cluster.hosts[2].isDiskStalled = true
    cluster.hosts[0].core?.campaignSoon(now: cluster.now)
    cluster.input(0) { _, _ in }
    cluster.run(milliseconds: 50)
    cluster.crash(2, keepingWrites: 0)
    cluster.isolate(1)
    cluster.start(2)
    cluster.hosts[1].core?.campaignSoon(now: cluster.now)
    cluster.input(1) { _, _ in }
    cluster.run(milliseconds: 100)
    return cluster
  }

  /// The leader's disk stands still, it and one follower hold an entry; then it crashes, and the
  /// follower is cut off.
  private func leaderLosesWhatItCounted(_ plant: (Cluster) -> Void) -> Cluster {
    let cluster = Cluster(GroupConfiguration(1...3))
    plant(cluster)
    cluster.startAll()
    cluster.hosts[0].core?.campaignSoon(now: cluster.now)
    cluster.input(0) { _, _ in }
    _ = cluster.converges(within: 1000)
    cluster.isolate(3)
    cluster.hosts[0].isDiskStalled = true
    cluster.propose(0, "counted")
    cluster.run(milliseconds: 100)
    cluster.crash(0, keepingWrites: 0)
    cluster.heal()
    cluster.isolate(2)
    cluster.start(0)
    cluster.run(milliseconds: 2000)
    return cluster
  }

  /// Figure 8: an entry of term 2 is on a majority, and a leader with one of term 3 replaces it.
  private func figure8(_ plant: (Cluster) -> Void) -> Cluster {
    var options = Cluster.Options()
    options.settings.appendBytes = 1
    let cluster = Cluster(GroupConfiguration(1...5), options: options)
    plant(cluster)
    let logs: [[UInt64]] = [[1, 2], [1, 2], [1], [1], [1, 3]]
    for (host, terms) in logs.enumerated() {
      cluster.hosts[host].durable.entries = entries(terms)
      cluster.hosts[host].durable.hardState = HardState(term: Term(3))
    }
    cluster.isolate(5)
    cluster.startAll()
    cluster.run(milliseconds: 120)
    cluster.hosts[0].core?.campaignSoon(now: cluster.now)
    cluster.input(0) { _, _ in }
    let reached = cluster.run(within: 500) {
      cluster.hosts[0].core?.progress.contains { $0.replica == r(3) && $0.match == LogIndex(2) }
        ?? false
    }
    #expect(reached)
    cluster.crash(0)
    cluster.crash(2)
    cluster.crash(1)
    cluster.run(milliseconds: 10)
    cluster.heal()
    cluster.start(2)
    _ = cluster.run(within: 3000) { cluster.hosts[4].core?.role == .leader }
    cluster.run(milliseconds: 500)
    return cluster
  }

  /// A leader is cut off, and the others, who were told, elect before it notices.
  private func readAfterTheLease(_ plant: (Cluster) -> Void) -> Cluster {
    let cluster = Cluster(GroupConfiguration(1...3))
    plant(cluster)
    cluster.startAll()
    cluster.hosts[0].core?.campaignSoon(now: cluster.now)
    cluster.input(0) { _, _ in }
    _ = cluster.converges(within: 1000)
    cluster.isolate(1)
    for host in [1, 2] {
      cluster.input(host) { $0.nodeUnreachable(NodeID(1), now: cluster.now, into: &$1) }
    }
    let elected = cluster.run(within: 290) {
      [1, 2].contains { cluster.hosts[$0].core?.hasCommittedInOwnTerm ?? false }
    }
    #expect(elected)
    #expect(cluster.hosts[0].core?.role == .leader)
    cluster.askToRead(0)
    return cluster
  }

  @Test func theCodeAsItIsComesThrough() {
    for cluster in [
      crashBetweenTwoVotes { _ in }, leaderLosesWhatItCounted { _ in }, figure8 { _ in },
      readAfterTheLease { _ in },
    ] {
      #expect(cluster.findings == [])
    }
  }

  #if PlantedFaults
    @Test func voteBeforePersistIsFound() {
      let found = crashBetweenTwoVotes { $0.plantedFault = .voteBeforePersist }
      #expect(found.findings.first == "election safety: r1 and r2 lead term 1")
    }

    @Test func countLeaderBeforeDurableIsFound() {
      let found = leaderLosesWhatItCounted { $0.plantedFault = .countLeaderBeforeDurable }
      #expect(found.findings.first?.hasPrefix("leader completeness") ?? false)
    }

    @Test func commitOldTermByCountingIsFound() {
      let found = figure8 { $0.plantedFault = .commitOldTermByCounting }
      #expect(found.findings.first?.hasPrefix("leader completeness") ?? false)
    }

    @Test func leaseReadAfterLeaseIsFound() {
      let found = readAfterTheLease { $0.plantedFault = .leaseReadAfterLease }
      #expect(found.findings.first?.hasPrefix("stale lease read") ?? false)
    }
  #endif
}
