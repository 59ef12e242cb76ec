import KVBase
import Testing

@testable import KVRaft

/// Scenarios as text, compared with what was recorded and read by a person: see `Transcript.swift`.
@Suite struct TranscriptTests {
  private func cluster(
    _ configuration: GroupConfiguration = GroupConfiguration(1...3), spares: [ReplicaID] = [],
    keepEntries: Int = 0
  ) -> Cluster {
    var options = Cluster.Options()
    options.keepEntries = keepEntries
    // Rare, so that the scenario can be read.
    options.settings.heartbeatInterval = .milliseconds(50)
    let cluster = Cluster(configuration, spares: spares, options: options)
    cluster.transcript = Transcript()
    cluster.startAll()
    return cluster
  }

  private func lead(_ cluster: Cluster) {
    cluster.input(0) { core, _ in core.campaignSoon(now: cluster.now) }
    cluster.run(milliseconds: 20)
  }

  @Test func election() throws {
    let cluster = cluster()
    cluster.run(milliseconds: 500)
    try #require(cluster.transcript).expect("election", Recorded.election)
  }

  @Test func replication() throws {
    let cluster = cluster()
    lead(cluster)
    cluster.transcript = Transcript()
    cluster.propose(0, "a")
    cluster.propose(0, "b")
    cluster.run(milliseconds: 10)
    cluster.transcript?.title("a round of reads")
    cluster.askToRead(0)
    cluster.run(milliseconds: 60)
    try #require(cluster.transcript).expect("replication", Recorded.replication)
  }

  @Test func conflict() throws {
    let cluster = cluster()
    lead(cluster)
    cluster.transcript = Transcript()
    cluster.transcript?.title("r1 is cut off and goes on alone for a while")
    cluster.isolate(1)
    for text in ["x", "y", "z"] { cluster.propose(0, text) }
    cluster.run(milliseconds: 10)
    for host in [1, 2] {
      cluster.input(host) { $0.nodeUnreachable(NodeID(1), now: cluster.now, into: &$1) }
    }
    _ = cluster.run(within: 400) { cluster.hosts[0].core?.role == .follower }
    cluster.transcript?.title("healed")
    cluster.heal()
    cluster.run(milliseconds: 80)
    try #require(cluster.transcript).expect("conflict", Recorded.conflict)
  }

  @Test func transfer() throws {
    let cluster = cluster()
    lead(cluster)
    cluster.transcript = Transcript()
    cluster.propose(0, "a")
    cluster.input(0) {
      _ = $0.transferLeadership(to: r(3), now: cluster.now, into: &$1)
    }
    cluster.run(milliseconds: 20)
    try #require(cluster.transcript).expect("transfer", Recorded.transfer)
  }

  @Test func membership() throws {
    let cluster = cluster(spares: [r(4)])
    lead(cluster)
    cluster.transcript = Transcript()
    cluster.transcript?.title("r4 replaces r1, which leads")
    cluster.input(0) {
      _ = try? $0.proposeConfiguration(
        voters: [2, 3, 4].map(r), learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
    }
    cluster.run(milliseconds: 40)
    try #require(cluster.transcript).expect("membership", Recorded.membership)
  }

  @Test func snapshot() throws {
    let cluster = cluster(keepEntries: 2)
    lead(cluster)
    cluster.crash(2)
    for number in 1...20 {
      cluster.propose(0, "p\(number)")
      cluster.run(milliseconds: 5)
    }
    cluster.transcript = Transcript()
    cluster.transcript?.title("r3 comes back, far behind")
    cluster.start(2)
    cluster.run(milliseconds: 100)
    try #require(cluster.transcript).expect("snapshot", Recorded.snapshot)
  }
}
