/// Who votes in a group, and who only learns (Raft paper §6, dissertation §4.2 and §4.3).
///
/// `outgoing` is empty except in a joint configuration, where a decision needs a majority of
/// `voters` and a majority of `outgoing`. All lists are sorted and without repeats; a replica is a
/// voter (of either set) or a learner, never both. One that is to be a learner and is an outgoing
/// voter until the joint configuration is left is in `learnersNext`.
package struct GroupConfiguration: Hashable, Sendable {
  package private(set) var voters: [ReplicaID]
  package private(set) var outgoing: [ReplicaID]
  package private(set) var learners: [ReplicaID]
  /// Outgoing voters that stay as learners once the joint configuration is left.
  package private(set) var learnersNext: [ReplicaID]

  /// Of `learners`, those that are outgoing voters learn once the joint configuration is left, and
  /// those that are voters do not learn.
  package init(voters: [ReplicaID], outgoing: [ReplicaID] = [], learners: [ReplicaID] = []) {
    self.voters = Self.normalised(voters)
    self.outgoing = Self.normalised(outgoing)
    let learning = Self.normalised(learners).filter { !voters.contains($0) }
    self.learners = learning.filter { !outgoing.contains($0) }
    learnersNext = learning.filter { outgoing.contains($0) }
  }

  private static func normalised(_ replicas: [ReplicaID]) -> [ReplicaID] {
    var result: [ReplicaID] = []
    for replica in replicas.sorted() where result.last != replica { result.append(replica) }
    return result
  }

  package var isJoint: Bool { !outgoing.isEmpty }

  /// The configuration that a joint one leads to (dissertation §4.3); itself where it is none.
  package var afterJoint: GroupConfiguration {
    GroupConfiguration(voters: voters, learners: learners + learnersNext)
  }

  /// Every replica, each once, in order.
  package var members: [ReplicaID] { Self.normalised(voters + outgoing + learners) }

  package func isVoter(_ replica: ReplicaID) -> Bool {
    voters.contains(replica) || outgoing.contains(replica)
  }

  package func contains(_ replica: ReplicaID) -> Bool {
    isVoter(replica) || learners.contains(replica)
  }

  /// u8 version 1, then three lists, each a u32 count and u64 ids. The third has the learners, and
  /// the outgoing voters that are to be learners.
  package func encode(into writer: inout ByteWriter) {
    writer.append(UInt8(1))
    for list in [voters, outgoing, learners + learnersNext] {
      writer.append(UInt32(list.count))
      for replica in list { writer.append(replica.rawValue) }
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.read(UInt8.self)
    guard version == 1 else {
      throw .unknownValue(what: "configuration version", value: UInt64(version))
    }
    var lists: [[ReplicaID]] = []
    for _ in 0..<3 {
      let count = try reader.readCount(
        limit: Limits.replicasPerGroup, minimumSize: 8, what: "replicas")
      var list: [ReplicaID] = []
      for _ in 0..<count { list.append(ReplicaID(rawValue: try reader.read(UInt64.self))) }
      lists.append(list)
    }
    self.init(voters: lists[0], outgoing: lists[1], learners: lists[2])
  }
}

/// What a replica must remember of elections (Raft paper figure 2, "persistent state"): one record,
/// written at once, so that a term never stands with another term's vote.
package struct HardState: Hashable, Sendable {
  package var term: Term
  package var vote: ReplicaID?

  package init(term: Term = .zero, vote: ReplicaID? = nil) {
    self.term = term
    self.vote = vote
  }

  /// u64 term, u8 whether there is a vote, u64 vote.
  package func encode(into writer: inout ByteWriter) {
    writer.append(term.rawValue)
    writer.append(vote != nil)
    writer.append(vote?.rawValue ?? 0)
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    term = Term(try reader.read(UInt64.self))
    let voted = try reader.readBool()
    let raw = try reader.read(UInt64.self)
    vote = voted ? ReplicaID(rawValue: raw) : nil
  }
}
