import KVBase
import KVNodeCore

/// What a run is made of, but for its seed.
package struct SimulationProfile: Sendable {
  package var name: String
  package var nodes = 3
  package var partitions = 4
  package var workload = Workload()
  package var faults: [(kind: FaultKind, weight: UInt64)] = []
  package var meanGapNanoseconds: UInt64 = 900_000_000
  package var longestFaultNanoseconds: UInt64 = 3_000_000_000
  /// When faults begin and end; `nil`: from the time when the cluster serves to the end of the
  /// load.
  package var faultSpan: Range<UInt64>?
  /// After `faultSpan` until every node knows its cluster, where that is held against the clock.
  package var formsWithinNanoseconds: UInt64?
  /// How far a clock's rate may be off. The lease's margin allows 45,000 on both sides.
  package var clockBoundPartsPerMillion = 45_000
  package var reads = Reads.mixed
  /// Log bytes between two flushes, and kept for followers: small, so that snapshots happen.
  package var flushBytes = 4 << 10
  package var logKeepBytes = 16 << 10
  package var segmentBytes = 8 << 10
  package var snapshotChunkBytes = 512

  /// Small ones make replicas read entries back, and send them one by one.
  package var buffers = Buffers.mixed

  /// Sessions of a group: few, and they are evicted all the time.
  package var sessionsPerGroup = Limits.sessionsPerGroup
  /// Clients now and then end their sessions, and go on.
  package var clientsLeave = false
  /// Beside clients comes a program that numbers its commands wrongly: see `Misuse`.
  package var clientsMisuse = false
  /// By client, in turn: how far its machine's clock is ahead, in milliseconds.
  package var clientClocksAhead: [Int64] = [0]

  /// How slow disks are when nothing is wrong with them; 1: good ones.
  package var diskSlowness: UInt64 = 1

  package enum Buffers: Sendable { case mixed, tiny }
  package enum Reads: Sendable { case readIndex, lease, mixed }

  /// The meta group and the partitions.
  package var groups: Int { partitions + 1 }

  package init(name: String, faults: [(kind: FaultKind, weight: UInt64)] = []) {
    self.name = name
    self.faults = faults
  }
}

extension SimulationProfile {
  package static let names = [
    "cp", "calm", "crash-votes", "figure-8", "lease", "snapshot", "network", "disk", "clocks",
    "sessions", "links", "forming", "stale",
  ]

  package static func named(_ name: String) -> SimulationProfile? {
    switch name {
    case "cp": .cp
    case "calm": SimulationProfile(name: "calm")
    case "crash-votes": .crashVotes
    case "figure-8": .figure8
    case "lease": .lease
    case "snapshot": .snapshot
    case "network": .network
    case "disk": .disk
    case "clocks": .clocks
    case "sessions": .sessions
    case "links": .links
    case "forming": .forming
    case "stale": .stale
    default: nil
    }
  }

  /// Everything.
  package static var cp: SimulationProfile {
    SimulationProfile(
      name: "cp",
      faults: FaultKind.allCases.map { kind in
        switch kind {
        case .isolateLeader, .crash, .crashLeader, .pauseLeader, .unruly: (kind, 3)
        case .crashAll, .crashMajority: (kind, 1)
        default: (kind, 2)
        }
      })
  }

  /// Elections and crashes over slow disks: what a vote that was not durable would break.
  package static var crashVotes: SimulationProfile {
    var profile = SimulationProfile(
      name: "crash-votes",
      faults: [
        (.crash, 6), (.crashLeader, 6), (.crashMajority, 3), (.crashAll, 2), (.slowDisk, 5),
        (.pauseLeader, 3), (.isolateLeader, 3), (.unruly, 1),
      ])
    profile.meanGapNanoseconds = 400_000_000
    profile.longestFaultNanoseconds = 900_000_000
    return profile
  }

  /// Leaders that get one old entry through and then no more, as in figure 8 of the Raft paper.
  package static var figure8: SimulationProfile {
    var profile = SimulationProfile(
      name: "figure-8",
      faults: [
        (.muteNewLeaders, 12), (.isolateLeader, 3), (.crashLeader, 3), (.muteLeader, 5),
      ])
    profile.buffers = .tiny
    profile.diskSlowness = 12
    profile.reads = .readIndex
    profile.meanGapNanoseconds = 300_000_000
    profile.longestFaultNanoseconds = 2_000_000_000
    return profile
  }

  /// Leaders cut off or asleep while others take over; reads by lease, clocks within the bound.
  package static var lease: SimulationProfile {
    var profile = SimulationProfile(
      name: "lease",
      faults: [
        (.isolateLeader, 6), (.pauseLeader, 6), (.deafLeader, 4), (.muteLeader, 4),
        (.clockRate, 4), (.slowLinks, 3), (.halves, 2), (.crashLeader, 2), (.shutdown, 2),
      ])
    profile.reads = .lease
    profile.meanGapNanoseconds = 500_000_000
    profile.longestFaultNanoseconds = 1_500_000_000
    return profile
  }

  /// Followers that fall behind what the log keeps, and clients that try again.
  package static var snapshot: SimulationProfile {
    var profile = SimulationProfile(
      name: "snapshot",
      faults: [
        (.isolate, 6), (.crash, 5), (.unruly, 4), (.breakConnections, 4), (.isolateLeader, 3),
        (.crashLeader, 3), (.slowDisk, 2), (.stuckDisk, 2),
      ])
    profile.longestFaultNanoseconds = 5_000_000_000
    profile.flushBytes = 1 << 10
    profile.logKeepBytes = 2 << 10
    profile.segmentBytes = 2 << 10
    profile.snapshotChunkBytes = 128
    return profile
  }

  package static var network: SimulationProfile {
    SimulationProfile(
      name: "network",
      faults: [
        (.halves, 3), (.isolate, 3), (.isolateLeader, 3), (.oneWay, 3), (.deafLeader, 2),
        (.muteLeader, 2), (.flapping, 3), (.unruly, 4), (.slowLinks, 3), (.breakConnections, 3),
        (.halfOpen, 3),
      ])
  }

  package static var disk: SimulationProfile {
    var profile = SimulationProfile(
      name: "disk",
      faults: [
        (.slowDisk, 4), (.stuckDisk, 4), (.failedSync, 5), (.crash, 4), (.crashMajority, 2),
        (.crashAll, 2), (.crashLeader, 3), (.wipe, 3),
      ])
    profile.meanGapNanoseconds = 500_000_000
    profile.longestFaultNanoseconds = 1_500_000_000
    return profile
  }

  /// Clocks far beyond the bound, and reads that don't rely on them.
  package static var clocks: SimulationProfile {
    var profile = SimulationProfile(
      name: "clocks",
      faults: [
        (.clockRate, 8), (.wallJump, 6), (.pause, 3), (.pauseLeader, 3), (.isolateLeader, 3),
        (.crashLeader, 1),
      ])
    profile.clockBoundPartsPerMillion = 500_000
    profile.reads = .readIndex
    return profile
  }

  /// Answers that get lost, so that clients try again what was done already, and partitions that
  /// keep too few sessions for the clients, whose clocks are wrong.
  package static var sessions: SimulationProfile {
    var profile = SimulationProfile(
      name: "sessions",
      faults: [
        (.breakConnections, 8), (.flapping, 2), (.crashLeader, 3), (.isolateLeader, 3),
        (.slowLinks, 4), (.pauseLeader, 3), (.slowDisk, 3), (.wallJump, 1),
      ])
    profile.sessionsPerGroup = 3
    profile.clientsLeave = true
    profile.clientsMisuse = true
    profile.clientClocksAhead = [0, -3_600_000, 86_400_000, 5_000, 0, 40]
    profile.meanGapNanoseconds = 250_000_000
    profile.longestFaultNanoseconds = 700_000_000
    return profile
  }

  /// A new cluster whose nodes crash, lose power and start again in its first two seconds, and are
  /// then left alone: it must be formed.
  package static var forming: SimulationProfile {
    var profile = SimulationProfile(
      name: "forming",
      faults: [(.crash, 4), (.crashMajority, 3), (.crashAll, 5), (.pause, 1)])
    profile.faultSpan = 10_000_000..<2_000_000_000
    profile.meanGapNanoseconds = 130_000_000
    profile.longestFaultNanoseconds = 80_000_000
    // So that it takes about as long to form a cluster as from one crash to the next.
    profile.diskSlowness = 100
    profile.formsWithinNanoseconds = 4_000_000_000
    return profile
  }

  /// Reads that any replica may serve, of replicas that sleep and of such as hear little.
  package static var stale: SimulationProfile {
    var profile = SimulationProfile(
      name: "stale",
      faults: [
        (.pause, 8), (.pauseLeader, 3), (.isolate, 2), (.isolateLeader, 3), (.slowLinks, 3),
        (.oneWay, 2), (.clockRate, 3), (.crash, 2), (.stuckDisk, 2),
      ])
    profile.workload.staleOfTen = 6
    profile.meanGapNanoseconds = 500_000_000
    profile.longestFaultNanoseconds = 1_500_000_000
    return profile
  }

  /// Connections that end in every way: refused, broken, given up, or without a word.
  package static var links: SimulationProfile {
    var profile = SimulationProfile(
      name: "links",
      faults: [
        (.halfOpen, 8), (.breakConnections, 4), (.crash, 4), (.shutdown, 2), (.pause, 3),
        (.isolate, 2), (.oneWay, 2), (.flapping, 2),
      ])
    profile.longestFaultNanoseconds = 2_000_000_000
    return profile
  }
}
