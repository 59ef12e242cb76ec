internal import KVBase
internal import KVCommand

/// What the leader of the meta group proposes of its own: the cluster's id, and the incarnation of
/// each member at first contact.
struct MetaDuties: Sendable {
  private var random: SeededRandom

  init(random: SeededRandom) { self.random = random }

  /// What is to be proposed next, if anything; one at a time.
  mutating func next(
    _ directory: borrowing PeerDirectory, own: NodeConfiguration
  ) -> MetaCommand? {
    guard directory.map.clusterID != 0 else { return .nameCluster(id: max(1, random.next())) }
    return directory.nextToRegister.map { .registerMember($0) }
  }
}
