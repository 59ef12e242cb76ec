internal import KVBase

/// Whether this node may take part in a cluster.
///
/// A data directory that has never been part of a cluster may be a wiped one, so a blank node asks
/// its peers, who know the incarnations of members, before it votes: one that knows the cluster
/// judges it alone; where all are blank, as many must have met as rule out that the rest has formed
/// a cluster without them. Then it is `forming`: its replicas are made, once, and from then on the
/// node is admitted. A node that has voted or appended is admitted from the start. One whose
/// replicas were made before a restart and never voted keeps them, and asks again.
struct Formation: Sendable {
  private enum State: Sendable, Hashable {
    case asking(vouchers: [NodeID])
    case forming
    case admitted
  }

  private let members: Int
  private var state: State

  init(isBlank: Bool, members: Int) {
    self.members = members
    state = !isBlank ? .admitted : members == 1 ? .forming : .asking(vouchers: [])
  }

  var isAdmitted: Bool { state == .admitted }

  /// A peer has let this node in. `isJudge`: it knows the cluster.
  mutating func vouched(by peer: NodeID, isJudge: Bool, _ outputs: inout NodeOutputs) {
    guard case .asking(var vouchers) = state else { return }
    if !vouchers.contains(peer) { vouchers.append(peer) }
    guard isJudge || vouchers.count >= members - members / 2 else {
      state = .asking(vouchers: vouchers)
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

  /// True once: the node's replicas are to be made now.
  mutating func begins() -> Bool {
    guard state == .forming else { return false }
    state = .admitted
    return true
  }
}
