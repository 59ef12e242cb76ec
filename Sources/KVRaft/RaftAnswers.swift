package import KVBase

/// What inputs and properties of a `RaftCore` answer.
extension RaftCore {
  /// As leader: bytes proposed and not applied.
  package var unappliedBytes: Int { leadership.unappliedBytes }

  /// Something is committed and durable here that was not handed out to be applied.
  package var hasMoreToApply: Bool {
    volatile.readyToApply(stable: persistent.stableIndex) != nil
  }

  /// The group has removed this replica: a committed configuration has others and not this one.
  package var isRemoved: Bool {
    !persistent.configuration.contains(id) && !persistent.configuration.voters.isEmpty
      && persistent.configurationIndex <= volatile.commitIndex
  }

  package enum ProposeRefusal: Error, Sendable {
    case notLeader, transferring, tooMuchUncommitted
    /// No majority takes entries now: nothing that is appended could be committed.
    case followersAreFull
  }

  package enum ConfigurationRefusal: Error, Sendable {
    case notLeader, transferring
    /// Another change is not committed yet, or the leader has not committed in its own term.
    case inProgress
    /// Nobody would vote.
    case noVoters
    /// A replica is named both as voter and as learner.
    case voterAndLearner
    /// With those of the present configuration more than `Limits.replicasPerGroup`.
    case tooManyReplicas
  }

  package enum NextToApply: Sendable {
    case nothing
    case entries([LogEntry])
    /// Read these from the store, then apply them; contiguous with what was applied. There may be
    /// many: read them in several steps.
    case readLog(from: LogIndex, through: LogIndex)
  }

  package struct PeerProgress: Sendable, Hashable {
    package enum State: Sendable, Hashable { case probe, replicate, snapshot }
    package var replica: ReplicaID
    package var match: LogIndex
    package var state: State
    package var isLearner: Bool
    package var condition: FollowerCondition
    /// When it was last heard from.
    package var lastContact: Instant?
  }

  /// As leader: what is known of each other replica.
  package var progress: PeerProgressList { PeerProgressList(peers: replication.peers) }

  /// The progress of each peer, by replica id; a view, which copies nothing.
  package struct PeerProgressList: RandomAccessCollection, Sendable {
    let peers: [Progress]

    package var startIndex: Int { 0 }
    package var endIndex: Int { peers.count }
    package subscript(position: Int) -> PeerProgress {
      let state: PeerProgress.State =
        switch peers[position].state {
        case .probe: .probe
        case .replicate: .replicate
        case .snapshot: .snapshot
        }
      return PeerProgress(
        replica: peers[position].replica, match: peers[position].match, state: state,
        isLearner: !peers[position].isVoter, condition: peers[position].condition,
        lastContact: peers[position].lastContact)
    }
  }
}
