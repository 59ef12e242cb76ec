/// What can go wrong, with all that is needed to do it again. Nodes are counted from 0.
package enum Fault: Hashable, Sendable {
  /// These nodes, and the clients on their side, against the rest.
  case halves(minority: [Int], clients: [Int], resets: Bool)
  case isolate(node: Int, resets: Bool)
  /// Whoever leads the group when it begins.
  case isolateLeader(group: Int, resets: Bool)
  case oneWay(from: Int, to: Int)
  /// The leader is heard, and hears nothing; or the other way round.
  case deafLeader(group: Int)
  case muteLeader(group: Int)
  /// While it lasts, whoever begins to lead is not heard any more: at once, or from the moment of
  /// its first commit on.
  case muteNewLeaders(longestMilliseconds: UInt64)
  case flapping(a: Int, b: Int, periodMilliseconds: UInt64)
  /// Frames between nodes get lost, doubled and reordered, each so often of a thousand.
  case unruly(loss: UInt64, duplicate: UInt64, reorder: UInt64)
  case slowLinks(node: Int, milliseconds: Int)
  case breakConnections(ofThousand: UInt64)
  /// So many of a thousand connections end, and at most one side of each learns of it.
  case halfOpen(ofThousand: UInt64)
  case crash(node: Int, losesPower: Bool)
  case crashLeader(group: Int, losesPower: Bool)
  case crashMajority(losesPower: Bool)
  case crashAll(losesPower: Bool)
  case shutdown(node: Int)
  case pause(node: Int)
  case pauseLeader(group: Int)
  case slowDisk(node: Int, factor: UInt64)
  case stuckDisk(node: Int)
  case failedSync(node: Int)
  /// A node stops and starts with an empty disk: it is refused, until a person gives it its own.
  case wipe(node: Int)
  /// Within the drift bound where the profile says so.
  case clockRate(node: Int, partsPerMillion: Int64)
  case wallJump(node: Int, milliseconds: Int64)

  /// The nodes that the plan names; a leader is found, and a majority drawn, when it begins.
  var nodes: [Int] {
    switch self {
    case .halves(let minority, _, _): minority
    case .isolate(let node, _), .slowLinks(let node, _), .crash(let node, _), .shutdown(let node),
      .pause(let node), .slowDisk(let node, _), .stuckDisk(let node), .failedSync(let node),
      .wipe(let node), .clockRate(let node, _), .wallJump(let node, _):
      [node]
    case .oneWay(let from, _): [from]
    case .flapping(let a, let b, _): [a, b]
    case .isolateLeader, .deafLeader, .muteLeader, .muteNewLeaders, .unruly, .breakConnections,
      .halfOpen, .crashLeader, .crashMajority, .crashAll, .pauseLeader:
      []
    }
  }

  package var kind: FaultKind {
    switch self {
    case .halves: .halves
    case .isolate: .isolate
    case .isolateLeader: .isolateLeader
    case .oneWay: .oneWay
    case .deafLeader: .deafLeader
    case .muteLeader: .muteLeader
    case .muteNewLeaders: .muteNewLeaders
    case .flapping: .flapping
    case .unruly: .unruly
    case .slowLinks: .slowLinks
    case .breakConnections: .breakConnections
    case .halfOpen: .halfOpen
    case .crash: .crash
    case .crashLeader: .crashLeader
    case .crashMajority: .crashMajority
    case .crashAll: .crashAll
    case .shutdown: .shutdown
    case .pause: .pause
    case .pauseLeader: .pauseLeader
    case .slowDisk: .slowDisk
    case .stuckDisk: .stuckDisk
    case .failedSync: .failedSync
    case .wipe: .wipe
    case .clockRate: .clockRate
    case .wallJump: .wallJump
    }
  }
}

package enum FaultKind: String, Hashable, Sendable, CaseIterable {
  case halves, isolate, isolateLeader, oneWay, deafLeader, muteLeader, muteNewLeaders
  case flapping, unruly, slowLinks, breakConnections, halfOpen, crash, crashLeader, crashMajority,
    crashAll, shutdown, pause, pauseLeader
  case slowDisk, stuckDisk, failedSync, wipe, clockRate, wallJump

  package var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// A fault and its time.
package struct PlannedFault: Hashable, Sendable, CustomStringConvertible {
  package var startNanoseconds: UInt64
  package var lengthNanoseconds: UInt64
  package var fault: Fault

  package init(startNanoseconds: UInt64, lengthNanoseconds: UInt64, fault: Fault) {
    self.startNanoseconds = startNanoseconds
    self.lengthNanoseconds = lengthNanoseconds
    self.fault = fault
  }

  package var description: String {
    "\(Trace.stamp(startNanoseconds)) for \(lengthNanoseconds / 1_000_000) ms: \(fault)"
  }
}
