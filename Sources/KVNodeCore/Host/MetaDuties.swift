internal import KVBase
internal import KVCommand

/// What the leader of the meta group proposes of its own, one at a time: the first version of the
/// map, and the incarnation and the address of each member that has been met.
struct MetaDuties: Sendable {
  private var random: SeededRandom

  init(random: SeededRandom) { self.random = random }

  mutating func next(
    _ map: ClusterMap, _ peers: borrowing PeerDirectory, own: NodeConfiguration
  ) -> MetaCommand? {
    func met(_ node: NodeID) -> MemberRecord {
      guard node == own.node else { return peers.announced(by: node) }
      return MemberRecord(node: node, incarnation: own.incarnation, address: own.address)
    }
    guard map.isFormed else {
      let first = Bootstrap.map(own, clusterID: max(1, random.next())) { met($0).incarnation }
      return .form(first)
    }
    for member in map.members {
      let met = met(member.node)
      let isNew = member.incarnation == 0 && met.incarnation != 0
      let hasMoved =
        member.incarnation == met.incarnation && !met.address.isEmpty
        && member.address != met.address
      if isNew || hasMoved { return .registerMember(met) }
    }
    return nil
  }
}
