import KVBase
import Testing

@testable import KVRaft

/// How old a replica says that its state is at most: what reads with a maximum age rest on.
@Suite struct FreshnessTests {
  /// What a leader said before a pause arrives after it: it says nothing of the time of the pause.
  @Test func afterAPauseWhatWasSaidBeforeItIsOld() {
    let cluster = Cluster.ledByFirst(3)
    cluster.run(milliseconds: 300)
    cluster.pause(1, milliseconds: 2_000)
    for number in 1...20 {
      cluster.run(milliseconds: 100)
      cluster.propose(0, "p\(number)")
    }
    let before = cluster.agesStated
    cluster.run(milliseconds: 500)
    #expect(cluster.findings == [])
    #expect(cluster.agesStated > before)
    #expect(cluster.hosts[1].core?.age(now: cluster.now).map { $0 < .milliseconds(200) } == true)
  }

  @Test func aFollowerThatHearsItsLeaderKnowsHowOldItIs() {
    let cluster = Cluster.ledByFirst(3)
    cluster.run(milliseconds: 300)
    for step in 0..<100 {
      if step % 10 == 0 { cluster.propose(0, "p\(step)") }
      cluster.run(milliseconds: 7)
      for host in 0..<3 {
        let age = cluster.hosts[host].core?.age(now: cluster.now)
        #expect(age.map { $0 < .milliseconds(130) } == true, "\(host): \(age as Any)")
      }
    }
    #expect(cluster.findings == [])
  }

  @Test func oneThatHearsNothingGrowsOld() {
    let cluster = Cluster.ledByFirst(3)
    cluster.run(milliseconds: 300)
    cluster.isolate(2)
    cluster.run(milliseconds: 1_000)
    #expect(cluster.hosts[1].core?.age(now: cluster.now).map { $0 >= .seconds(1) } == true)
    #expect(cluster.findings == [])
  }
}
