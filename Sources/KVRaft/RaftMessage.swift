package import KVBase

/// What replicas of one group say to each other. The term is the sender's, except in a pre-vote,
/// where it is the term that the sender would campaign in (dissertation §9.6).
package struct RaftMessage: Hashable, Sendable {
  package var term: Term
  package var body: Body

  package init(term: Term, body: Body) {
    self.term = term
    self.body = body
  }

  package enum Body: Hashable, Sendable {
    case voteRequest(VoteRequest)
    case voteResponse(VoteResponse)
    case append(AppendRequest)
    case appendResponse(AppendResponse)
    case heartbeat(Heartbeat)
    case heartbeatResponse(HeartbeatResponse)
    /// Campaign at once, whatever the leases say: the leader gave its own up
    /// (dissertation §3.10).
    case timeoutNow

    /// Of an append that carries entries, what it says beside them: that its sender leads. It then
    /// counts as contact and acknowledges nothing, as if the entries had been lost on their way.
    package var withoutEntries: Body {
      guard case .append(let append) = self, !append.entries.isEmpty else { return self }
      return .heartbeat(
        Heartbeat(
          commit: .zero, round: append.round, leaderCommit: .zero, echo: nil))
    }
  }

  package struct VoteRequest: Hashable, Sendable {
    package var isPreVote: Bool
    package var lastIndex: LogIndex
    package var lastTerm: Term
    /// The leader asked for this campaign, so its lease does not stand against it.
    package var isTransfer: Bool

    package init(isPreVote: Bool, lastIndex: LogIndex, lastTerm: Term, isTransfer: Bool) {
      self.isPreVote = isPreVote
      self.lastIndex = lastIndex
      self.lastTerm = lastTerm
      self.isTransfer = isTransfer
    }
  }

  package struct VoteResponse: Hashable, Sendable {
    package var isPreVote: Bool
    package var granted: Bool

    package init(isPreVote: Bool, granted: Bool) {
      self.isPreVote = isPreVote
      self.granted = granted
    }
  }

  package struct AppendRequest: Hashable, Sendable {
    package var previousIndex: LogIndex
    package var previousTerm: Term
    package var commit: LogIndex
    /// The leader's round: the response carries it back, for leases and reads.
    package var round: UInt64
    package var entries: [LogEntry]

    package init(
      previousIndex: LogIndex, previousTerm: Term, commit: LogIndex, round: UInt64,
      entries: [LogEntry]
    ) {
      self.previousIndex = previousIndex
      self.previousTerm = previousTerm
      self.commit = commit
      self.round = round
      self.entries = entries
    }
  }

  package struct AppendResponse: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
      /// The follower's log equals the leader's up to here, durably.
      case accepted(match: LogIndex)
      /// No entry (previous index, previous term): where the leader should look next. `hint` is
      /// the highest index at which the logs may agree, `hintTerm` the follower's term there.
      case rejected(previousIndex: LogIndex, hint: LogIndex, hintTerm: Term)
    }
    package var outcome: Outcome
    package var round: UInt64
    package var condition: FollowerCondition

    package init(outcome: Outcome, round: UInt64, condition: FollowerCondition = []) {
      self.outcome = outcome
      self.round = round
      self.condition = condition
    }
  }

  package struct Heartbeat: Hashable, Sendable {
    /// At most what the receiver is known to hold.
    package var commit: LogIndex
    package var round: UInt64
    /// What the leader has committed, whether or not the receiver holds it: says how fresh the
    /// receiver's state is, and nothing about what it may apply.
    package var leaderCommit: LogIndex
    /// The latest of the receiver's stamps since which a majority has confirmed the leader: nobody
    /// had committed more than `leaderCommit` when the receiver took it. `nil`: there is none, or
    /// earlier leaders may have committed more than this one knows.
    package var echo: FollowerStamp?

    package init(
      commit: LogIndex, round: UInt64, leaderCommit: LogIndex? = nil, echo: FollowerStamp? = nil
    ) {
      self.commit = commit
      self.round = round
      self.leaderCommit = leaderCommit ?? commit
      self.echo = echo
    }
  }

  package struct HeartbeatResponse: Hashable, Sendable {
    package var round: UInt64
    package var condition: FollowerCondition
    /// When this was said, by the follower's clock: the leader gives it back in a heartbeat.
    package var stamp: FollowerStamp?

    package init(round: UInt64, condition: FollowerCondition = [], stamp: FollowerStamp? = nil) {
      self.round = round
      self.condition = condition
      self.stamp = stamp
    }
  }
}
