internal import KVBase

/// Majorities, of one set of voters and of the two sets of a joint configuration.
enum Quorum {
  /// How many of `count` voters are a majority.
  static func size(of count: Int) -> Int { count / 2 + 1 }

  /// The highest value that a majority has reached: `value` gives that of each position, and `nil`
  /// where the position does not vote. `nil` where nobody votes.
  ///
  /// Counts for every value how many reach it. That is quadratic, but groups are small, and unlike
  /// sorting it needs no memory.
  @inline(__always)
  static func reached(positions: Int, _ value: (Int) -> UInt64?) -> UInt64? {
    var voters = 0
    for position in 0..<positions where value(position) != nil { voters += 1 }
    guard voters > 0 else { return nil }
    let majority = size(of: voters)
    var best: UInt64 = 0
    for position in 0..<positions {
      guard let candidate = value(position), candidate > best else { continue }
      var count = 0
      for other in 0..<positions {
        if let reached = value(other), reached >= candidate { count += 1 }
      }
      if count >= majority { best = candidate }
    }
    return best
  }
}

/// The answers to a request for votes or pre-votes.
struct VoteTally: Sendable {
  private(set) var granted: [ReplicaID] = []
  private(set) var refused: [ReplicaID] = []

  enum Outcome: Sendable { case won, lost, pending }

  mutating func reset() {
    granted.removeAll(keepingCapacity: true)
    refused.removeAll(keepingCapacity: true)
  }

  /// The first answer of a voter counts.
  mutating func record(_ granted: Bool, from voter: ReplicaID) {
    guard !self.granted.contains(voter), !refused.contains(voter) else { return }
    if granted { self.granted.append(voter) } else { refused.append(voter) }
  }

  /// Won with a majority of every set of voters; lost once that can't be any more.
  func outcome(in configuration: GroupConfiguration) -> Outcome {
    let first = outcome(among: configuration.voters)
    guard configuration.isJoint else { return first }
    let second = outcome(among: configuration.outgoing)
    if first == .lost || second == .lost { return .lost }
    return first == .won && second == .won ? .won : .pending
  }

  private func outcome(among voters: [ReplicaID]) -> Outcome {
    let needed = Quorum.size(of: voters.count)
    var yes = 0
    var no = 0
    for voter in voters {
      if granted.contains(voter) { yes += 1 } else if refused.contains(voter) { no += 1 }
    }
    if yes >= needed { return .won }
    return voters.count - no < needed ? .lost : .pending
  }
}
