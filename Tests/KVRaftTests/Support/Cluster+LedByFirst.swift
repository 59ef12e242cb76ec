import KVBase
import Testing

@testable import KVRaft

extension Cluster {
  /// A cluster of `count` voters in which the first one leads.
  static func ledByFirst(_ count: UInt32, options: Cluster.Options = .init()) -> Cluster {
    let cluster = Cluster(GroupConfiguration(1...count), options: options)
    cluster.startAll()
    cluster.input(0) { core, _ in core.campaignSoon(now: cluster.now) }
    #expect(cluster.converges(within: 1000))
    #expect(cluster.leader == 0)
    return cluster
  }
}
