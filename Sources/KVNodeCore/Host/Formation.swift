internal import KVBase
internal import KVCommand
internal import KVWire

/// Whether this node may take part in a cluster.
///
/// **Why there is admission.** Raft takes a replica's word that it has forgotten nothing. A node
/// whose disk was lost has forgotten its votes and what it acknowledged, and must not vote again
/// under its id. What tells it from a new one is its incarnation (a random number made with the
/// data directory), which the cluster map has. So a node that holds no replica asks before it makes
/// one: it is `asking`, then `forming` (its replica of the meta group is made, once), then
/// `admitted`. A node that holds replicas is admitted from the start, whether it has voted or not:
/// it was let in before, and its disk is there with what it has promised.
///
/// **Who lets it in.** Every peer says in HELLO how far it is (`Hello.Standing`). One that is
/// `blank` (holds no replica) or `unbegun` (its replica of the meta group has entered no term)
/// knows of no cluster: it vouches. One that has `begun` is a judge, and suffices alone, but lets
/// the node in only where its map has this very incarnation, or where it has a formed map without
/// another incarnation that lacks nothing of what was committed when this data directory was first
/// seen here: what an earlier one was registered for, and acknowledged, was committed before. (As
/// with a read, to follow a leader is not enough: the leader may be long gone, and a follower lag.)
/// Else it answers `cannotJudgeYet`, and is asked again. With `m` voters of the meta group, `q` of
/// them a majority, the vouchers of `m − q + 1` other voters let the node in (two of three, three
/// of five).
///
/// **Every node gets past it, where no disk was lost.** A replica sends nothing before the record
/// that makes it is durable (`HeldMessages`), and a term begins only with a majority's pre-votes.
/// So where any voter has begun, `q` voters hold replicas durably, whatever crashes: they ask
/// nobody, elect, form the map, and judge the others. Where none has begun, every voter vouches. It
/// is the meta group alone that this counts: replicas of partitions are made after the map
/// (`makeReplicas`).
///
/// **It lets no lost disk in.** Say that X lost its disk after it had voted or acknowledged and
/// came back blank, and that no other disk is lost.
/// - *In a partition's group* X had a replica only since the map named X's incarnation, by a
///   committed entry. Whoever can judge has applied that entry, and refuses.
/// - *Vouchers.* If the meta group had a leader before X came back, `q − 1` voters beside X had
///   entered its term, and do not vouch: those left are too few by one. So X is let in only where
///   it has acknowledged nothing. It may have voted for a candidate C that was not elected. C has
///   begun, and does not vouch; of three voters both others must, so X stays out. Of four or more
///   the rest may suffice. Then, while C is cut off from X, is still a candidate of that term (an
///   election time-out at most), and is given one of the vouchers' votes of this same term, X could
///   give its vote of the term to another: two leaders in one term of the meta group. It takes a
///   disk that is lost and replaced within an election time-out of a new cluster's first vote. No
///   client has been answered by then; at stake is the first version of the map, and two of those
///   have two cluster ids, whose nodes refuse each other.
/// - *A judge whose map has no incarnation of X yet.* It follows a leader that has committed in its
///   term without X: a majority is in that term and holds what is committed, so that X's votes in
///   earlier ones and its lost copies of entries decide nothing. Only entries that X acknowledged
///   to this leader while it was not registered (a round of maintenance) could be counted wrongly.
///
/// What an unformed cluster can't get over by itself is the loss of a disk of those `q`: the node
/// says what a person must do (`advice`).
struct Formation: Sendable {
  private struct Inquiry: Sendable {
    /// Peers that know of no cluster, and when each was last asked. Voters of the meta group among
    /// them are vouchers.
    var unaware: [(node: NodeID, askedAt: Instant)] = []
    /// They have begun, and can't judge yet.
    var undecided: [NodeID] = []
    /// Since when all peers have answered and none of them can judge.
    var stuckSince: Instant?
    var hasAdvised = false
  }

  private enum State: Sendable {
    case asking(Inquiry)
    case forming
    case admitted
  }

  /// A cluster that has a leader judges within a second.
  private static let adviceDelay = TimeAmount.seconds(10)
  /// A peer that knew of no cluster is asked again after this: it may have begun, and judge.
  private static let askInterval = TimeAmount.seconds(1)

  private let configuration: NodeConfiguration
  private let others: [NodeID]
  /// Of the meta group.
  private let voters: [NodeID]
  private var state: State
  /// The replicas of this node's partitions were made.
  private(set) var holdsPartitions: Bool

  /// `holds`: the groups of which the node has replicas.
  init(_ configuration: NodeConfiguration, holds groups: [GroupID]) {
    self.configuration = configuration
    holdsPartitions = groups.contains { $0 != .meta }
    let members = configuration.members.map(\.node)
    others = members.filter { $0 != configuration.node }
    voters = Array(members.prefix(Bootstrap.metaVoters))
    state =
      if !groups.isEmpty { .admitted } else if others.isEmpty { .forming } else {
        .asking(Inquiry())
      }
  }

  var isAdmitted: Bool {
    if case .admitted = state { true } else { false }
  }

  /// A peer has let this node in.
  mutating func met(
    _ peer: NodeID, _ standing: Hello.Standing, now: Instant, _ outputs: inout NodeOutputs
  ) {
    guard case .asking(var inquiry) = state else { return }
    inquiry.undecided.removeAll { $0 == peer }
    let isJudge = standing == .begun
    if !isJudge {
      inquiry.unaware.removeAll { $0.node == peer }
      inquiry.unaware.append((peer, now))
    }
    let vouchers = inquiry.unaware.count { voters.contains($0.node) }
    let majority = voters.count / 2 + 1
    guard isJudge || vouchers > voters.count - majority else {
      state = .asking(inquiry)
      return
    }
    state = .forming
    outputs.events.append(
      .note(
        .info,
        isJudge
          ? "node \(peer.rawValue) knows the cluster, and no other data directory of this node"
          : "nobody knows of a cluster yet: beginning a new one"))
  }

  /// A peer has begun and can't judge yet.
  mutating func refused(by peer: NodeID) {
    guard case .asking(var inquiry) = state, !inquiry.undecided.contains(peer) else { return }
    inquiry.unaware.removeAll { $0.node == peer }
    inquiry.undecided.append(peer)
    state = .asking(inquiry)
  }

  /// All peers have answered, and for long none of them could judge. Said once.
  mutating func tick(now: Instant, _ outputs: inout NodeOutputs) {
    guard case .asking(var inquiry) = state, !inquiry.hasAdvised else { return }
    let isStuck =
      !inquiry.undecided.isEmpty
      && others.allSatisfy { other in
        inquiry.undecided.contains(other) || inquiry.unaware.contains { $0.node == other }
      }
    inquiry.stuckSince = isStuck ? inquiry.stuckSince ?? now : nil
    if let since = inquiry.stuckSince, now - since >= Self.adviceDelay {
      inquiry.hasAdvised = true
      outputs.events.append(.note(.warning, Self.advice(undecided: inquiry.undecided)))
    }
    state = .asking(inquiry)
  }

  /// The peer that knew of no cluster and was asked longest ago, where that is long enough; it is
  /// then asked now.
  mutating func nextToAskAgain(now: Instant) -> NodeID? {
    guard case .asking(var inquiry) = state, let oldest = inquiry.unaware.first,
      now - oldest.askedAt >= Self.askInterval
    else { return nil }
    inquiry.unaware.removeFirst()
    inquiry.unaware.append((oldest.node, now))
    state = .asking(inquiry)
    return oldest.node
  }

  /// It has vouched, and is asked again from time to time.
  func isUnaware(_ peer: NodeID) -> Bool {
    guard case .asking(let inquiry) = state else { return false }
    return inquiry.unaware.contains { $0.node == peer }
  }

  private static func advice(undecided: [NodeID]) -> String {
    let names = undecided.sorted().map { "\($0.rawValue)" }.joined(separator: ", ")
    return "all nodes answer, and of these some have voted in a cluster that has no leader now: "
      + "node \(names). A majority of the first data directories is missing. Start the nodes with "
      + "those; if they are lost and this cluster has never served, stop all nodes, remove their "
      + "data directories, and start them again"
  }

  // MARK: Replicas

  /// True once, when the node begins: its replica of the meta group is made.
  mutating func begins(_ orders: inout [ShardInput]) -> Bool {
    guard case .forming = state else { return false }
    state = .admitted
    orders.append(.admitted)
    if let set = Bootstrap.replicaSets(configuration).first,
      let id = set.replica(on: configuration.node)
    {
      orders.append(.addReplica(.meta, id, set))
    }
    return true
  }

  /// Makes the replicas of partitions, once, as soon as the map names this node's data directory: a
  /// node that has voted in a partition's group is one whose lost disk the map would show. All of
  /// them are in one log batch, so that a crash leaves all or none.
  mutating func makeReplicas(_ map: ClusterMap, _ orders: inout [ShardInput]) {
    guard !holdsPartitions, map.isFormed,
      map.member(configuration.node)?.incarnation == configuration.incarnation
    else { return }
    holdsPartitions = true
    for (group, set) in map.replicaSets.enumerated() where group > 0 {
      guard let id = set.replica(on: configuration.node) else { continue }
      orders.append(.addReplica(GroupID(UInt32(group)), id, set))
    }
  }

  #if PlantedFaults
    mutating func skipAsking() { if case .asking = state { state = .forming } }
  #endif
}
