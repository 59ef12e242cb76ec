internal import KVBase
internal import KVCommand

/// What the leader of the meta group proposes of its own, one at a time: the cluster's id, and the
/// incarnation of each member at first contact.
struct MetaDuties: Sendable {
  private var random: SeededRandom

  init(random: SeededRandom) { self.random = random }

  mutating func next(
    _ map: MetaState, _ peers: borrowing PeerDirectory, own: NodeConfiguration
  ) -> MetaCommand? {
    guard map.clusterID != 0 else { return .nameCluster(id: max(1, random.next())) }
    for member in own.members where !map.members.contains(where: { $0.node == member.node }) {
      let incarnation =
        member.node == own.node ? own.incarnation : peers.incarnation(of: member.node)
      guard incarnation != 0 else { continue }
      return .registerMember(
        MemberRecord(node: member.node, incarnation: incarnation, address: member.address))
    }
    return nil
  }
}
