import KVBase
import KVClientCore
import KVLog
import KVNodeCore
import KVRaft

/// The cluster and its clients, as the seed has them.
extension Simulation {
  static func makeNodes(
    _ world: inout World, _ random: inout SeededRandom
  ) throws -> [SimulatedNode] {
    let profile = world.options.profile
    let members = (0..<profile.nodes).map {
      NodeConfiguration.Member(
        node: NodeID(UInt32($0 + 1)), address: Transports.address(of: $0))
    }
    let usesLease =
      switch profile.reads {
      case .readIndex: false
      case .lease: true
      case .mixed: random.chance(1, in: 2)
      }
    // Small buffers in some runs, so that entries are read back from the log.
    let hasSmallBuffers = random.chance(1, in: 2)
    let late = lateNode(profile, &random)
    return try (0..<profile.nodes).map { index in
      var configuration = NodeConfiguration(
        node: members[index].node, members: members, incarnation: random.next() | 1)
      configuration.partitions = profile.partitions
      configuration.replication = min(3, profile.nodes)
      configuration.linearizableReads = usesLease ? .lease : .readIndex
      configuration.flushBytes = profile.flushBytes
      configuration.logKeepBytes = profile.logKeepBytes
      if profile.buffers == .tiny {
        configuration.raft.tailBytes = 1
        configuration.raft.appendBytes = 1
        configuration.raft.inflightBytes = 1
      } else if hasSmallBuffers {
        configuration.raft.tailBytes = 1 << 10
        configuration.raft.appendBytes = 512
        configuration.raft.inflightBytes = 2 << 10
      }
      configuration.recordedDigest = configuration.creationDigest
      let drift = Int64(random.below(8_001)) - 4_000
      let clock = SimulatedClock(
        start: random.below(1 << 40), partsPerMillion: drift,
        wallOffsetMilliseconds: Int64(random.below(200)) - 100)
      var logOptions = LogOptions(segmentBytes: profile.segmentBytes, saltSeed: random.next())
      world.options.plant(in: &logOptions, of: configuration.node)
      let log = try MemoryLog.create(
        node: configuration.node, creationDigest: configuration.creationDigest,
        options: logOptions)
      let node = SimulatedNode(
        index: index, configuration: configuration, log: log, clock: clock,
        diskSlowness: profile.diskSlowness,
        sessionLimit: profile.sessionsPerGroup, random: random.fork())
      let delay = late?.node == index ? late?.delay ?? 0 : 0
      world.schedule(.start(node: index), at: delay + random.below(50_000_000))
      return node
    }
  }

  /// Four of five blank nodes form a cluster without the fifth, which in some runs starts seconds
  /// after the others.
  private static func lateNode(
    _ profile: SimulationProfile, _ random: inout SeededRandom
  ) -> (node: Int, delay: UInt64)? {
    guard profile.nodes == 5, random.chance(1, in: 2) else { return nil }
    return (Int(random.below(5)), 1_000_000_000 + random.below(5_000_000_000))
  }

  static func makeClients(
    _ world: inout World, _ random: inout SeededRandom
  ) -> ClientRunner {
    let profile = world.options.profile
    let endpoints = (0..<profile.nodes).map { Endpoint(address: Transports.address(of: $0)) }
    let clients = (0..<profile.workload.clients).map { index in
      var settings = ClientSettings(endpoints: endpoints)
      // Some clients are impatient, so that what was done is asked for again.
      if index % 2 == 1 { settings.attemptTimeout = .milliseconds(120) }
      let client = SimulatedClient(
        index: index, endpoint: profile.nodes + index, lanes: profile.workload.lanes,
        groups: profile.groups, settings: settings,
        clockAhead: profile.clientClocksAhead[index % profile.clientClocksAhead.count],
        random: random.fork())
      for lane in 0..<profile.workload.lanes {
        world.schedule(
          .clientThink(client: index, lane: lane),
          at: 300_000_000 + client.random.below(500_000_000))
      }
      return client
    }
    return ClientRunner(clients, workload: profile.workload)
  }
}
