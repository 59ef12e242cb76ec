package import KVBase
internal import KVCommand
internal import KVRaft
package import KVWire

/// Another node, as seen from this one.
struct Peer: Sendable {
  let node: NodeID
  /// The connection that this node opened to it has said HELLO.
  var isConnected = false
  /// Since when that is so.
  var since: Instant
  /// What its HELLO said; 0: not met yet.
  var incarnation: UInt64 = 0
  /// Why it could not be reached, for people.
  var isRefused = false
  /// Messages of this turn, and whole frames of them where one does not suffice.
  var frame = ByteWriter()
  var full: [Bytes] = []

  init(node: NodeID, since: Instant) {
    self.node = node
    self.since = since
  }
}

/// Whether this node may take part. A data directory that has never been part of a cluster may be
/// a wiped one: the node asks its peers, who know the incarnations of members, before it votes.
enum Admission: Sendable, Hashable {
  case asking(vouchers: [NodeID])
  case admitted
}

extension NodeCore {
  /// What this node says first on every connection.
  package var hello: Hello {
    Hello(
      role: .node, clusterID: knownClusterID, creationDigest: configuration.creationDigest,
      node: configuration.node, incarnation: configuration.incarnation,
      isBlank: isUnformed, software: configuration.software)
  }

  var knownClusterID: UInt64 { meta.clusterID != 0 ? meta.clusterID : configuration.clusterID }

  package enum HelloDecision: Sendable {
    case client
    case node(NodeID)
    /// Send this and close.
    case refuse(Goaway)
  }

  /// The first frame on an accepted connection.
  package mutating func receiveHello(
    _ payload: Bytes, now: Now, into outputs: inout NodeOutputs
  ) -> HelloDecision {
    guard let hello = try? Hello(decoding: payload) else {
      return .refuse(Goaway(.protocolViolation, "the HELLO can't be decoded"))
    }
    if let goaway = problem(withVersionOf: hello) { return .refuse(goaway) }
    switch hello.role {
    case .client:
      guard hello.clusterID == 0 || knownClusterID == 0 || hello.clusterID == knownClusterID else {
        return .refuse(
          Goaway(.wrongCluster, "this node is of another cluster than the client expects"))
      }
      return .client
    case .node:
      if let goaway = problem(withNode: hello) { return .refuse(goaway) }
      return .node(hello.node)
    }
  }

  private func problem(withVersionOf hello: Hello) -> Goaway? {
    guard
      hello.lowestVersion <= Hello.protocolVersion, hello.highestVersion >= Hello.protocolVersion
    else {
      return Goaway(
        .version,
        "this node speaks version \(Hello.protocolVersion) of the protocol, and the other side "
          + "\(hello.lowestVersion) to \(hello.highestVersion)")
    }
    return nil
  }

  /// Why a node can't be talked with, or `nil`.
  private func problem(withNode hello: Hello) -> Goaway? {
    guard hello.node != configuration.node else {
      return Goaway(.wrongNode, "both sides are node \(hello.node.rawValue)")
    }
    guard peers.contains(where: { $0.node == hello.node }) else {
      return Goaway(
        .notAMember,
        "node \(hello.node.rawValue) is not among the peers of node "
          + "\(configuration.node.rawValue): give all nodes the same --peers")
    }
    guard hello.creationDigest == configuration.creationDigest else {
      return Goaway(
        .creationDiffers,
        "nodes \(hello.node.rawValue) and \(configuration.node.rawValue) were started with "
          + "different --peers ids, --partitions, --replication or --mode: make them equal")
    }
    guard
      hello.clusterID == 0 || knownClusterID == 0 || hello.clusterID == knownClusterID
    else {
      return Goaway(
        .wrongCluster,
        "node \(hello.node.rawValue) belongs to another cluster: check --peers and --data-dir")
    }
    if let member = meta.members.first(where: { $0.node == hello.node }),
      member.incarnation != hello.incarnation
    {
      return Goaway(
        .wipedDisk,
        "wiped disk: node \(hello.node.rawValue) is known with another data directory "
          + "than it has now: if its disk was lost, start it under a new id; else give it its old "
          + "--data-dir")
    }
    if hello.isBlank, !isUnformed, !canJudge {
      return Goaway(
        .cannotJudgeYet,
        "node \(configuration.node.rawValue) does not know yet whether node "
          + "\(hello.node.rawValue) was a member before: no leader of the meta group yet")
    }
    return nil
  }

  /// This node knows of no cluster: it started blank and has seen none since.
  var isUnformed: Bool { startedBlank && meta.clusterID == 0 }

  /// The members recorded here are those that the cluster has agreed on so far.
  private var canJudge: Bool {
    guard let slot = slot(of: .meta) else { return false }
    let raft = replicas[slot].raft
    return raft.leader != nil && raft.commitIndex > .zero
      && replicas[slot].appliedIndex >= raft.commitIndex
      && raft.term(at: raft.commitIndex) == raft.term
  }

  /// The other side's HELLO on a connection that this node opened to `peer`. A reason to close it,
  /// or `nil`: peer frames may be sent on it from now on.
  package mutating func peerConnected(
    _ peer: NodeID, hello payload: Bytes, now: Now, into outputs: inout NodeOutputs
  ) -> Goaway? {
    guard let at = peers.firstIndex(where: { $0.node == peer }) else {
      return Goaway(.notAMember, "node \(peer.rawValue) is not a peer")
    }
    guard let hello = try? Hello(decoding: payload) else {
      return Goaway(.protocolViolation, "the HELLO can't be decoded")
    }
    if let goaway = problem(withVersionOf: hello) { return goaway }
    guard hello.role == .node, hello.node == peer else {
      return Goaway(
        .wrongNode,
        "node \(hello.node.rawValue) answered where node \(peer.rawValue) was expected: check the "
          + "addresses in --peers")
    }
    // The other side has judged us by sending HELLO and not GOAWAY; whether it is blank is its
    // own affair here.
    var judged = hello
    judged.isBlank = false
    if let goaway = problem(withNode: judged) { return goaway }
    peers[at].incarnation = hello.incarnation
    peers[at].isRefused = false
    if !peers[at].isConnected {
      peers[at].isConnected = true
      peers[at].since = now.instant
      outputs.events.append(.peer(peer, connected: true))
    }
    vouched(by: peer, isJudge: !hello.isBlank, now: now, into: &outputs)
    return nil
  }

  /// A node that knows the cluster has judged this one. One that knows of no cluster can only say
  /// so; where so many say it that no majority without them can have formed one, there is none.
  private mutating func vouched(
    by peer: NodeID, isJudge: Bool, now: Now, into outputs: inout NodeOutputs
  ) {
    guard case .asking(var vouchers) = admission else { return }
    if !vouchers.contains(peer) { vouchers.append(peer) }
    admission = .asking(vouchers: vouchers)
    let count = configuration.members.count
    if isJudge || vouchers.count >= count - count / 2 {
      admission = .admitted
      outputs.events.append(
        .note(
          .info,
          isJudge
            ? "node \(peer.rawValue) knows the cluster, and no other data directory of this node"
            : "nobody knows of a cluster yet: beginning a new one"))
      campaignWherePreferred(now: now.instant)
    }
  }

  /// The other side said GOAWAY on a connection that this node opened.
  package mutating func peerRefused(
    _ peer: NodeID, _ goaway: Goaway, now: Now, into outputs: inout NodeOutputs
  ) {
    let text = "node \(peer.rawValue) refuses the connection: \(goaway.message)"
    if goaway.reason == .wipedDisk {
      outputs.fatal = text
    } else {
      outputs.events.append(.note(.warning, text))
    }
  }

  /// A connection that this node opened is gone, or could not be opened. `refused`: nobody listens
  /// there.
  package mutating func peerDisconnected(
    _ peer: NodeID, refused: Bool, now: Now, into outputs: inout NodeOutputs
  ) {
    guard let at = peers.firstIndex(where: { $0.node == peer }) else { return }
    if peers[at].isConnected {
      peers[at].isConnected = false
      peers[at].since = now.instant
      outputs.events.append(.peer(peer, connected: false))
    }
    guard refused else { return }
    peers[at].isRefused = true
    guard admission == .admitted else { return }
    for slot in replicas.indices where !replicas[slot].isLeader {
      replicas[slot].nodeUnreachable(peer, now: now.instant)
      touch(slot)
    }
  }

  /// A client's connection is gone; its requests are not answered any more. What it proposed takes
  /// its course.
  package mutating func clientDisconnected(_ connection: ConnectionID) {
    // Replies to a connection that is gone are dropped by the interpreter; nothing is kept here
    // that does not end by itself.
  }
}
