#if PlantedFaults
  /// A fault that is built in on purpose (package trait `PlantedFaults`), so that a check can prove
  /// that it would catch it. Each is of a kind that a real system had. At most one at a time; never
  /// part of a release build.
  package enum PlantedFault: String, Sendable, CaseIterable {
    // Elections.

    /// A vote is given before it is durable: after a crash the replica may vote twice in one term.
    case voteBeforePersist
    /// A node that starts again knows the term, and not whom it voted for in it.
    case voteForgottenOnRestart
    /// A vote is given to whoever asks, however short its log is.
    case voteWithoutComparingLogs
    /// A candidate leads as soon as it has its own vote.
    case electionWithoutMajority

    // Commit.

    /// A leader counts an entry as its own copy before it is durable.
    case countLeaderBeforeDurable
    /// A leader commits entries of earlier terms by counting copies (Raft paper figure 8).
    case commitOldTermByCounting
    /// A leader commits what the furthest replica holds, not what a majority does.
    case commitAtHighestMatch
    /// A client is told that its write is done when it has only been proposed.
    case acknowledgeBeforeCommit
    /// A follower says that it holds entries before they are durable there.
    case acknowledgeBeforeDurable
    /// A follower truncates its log after every append, not only where there is a conflict.
    case truncateOnEveryAppend

    // Disk.

    /// The log reports what it wrote as durable, and never syncs.
    case skippedSync
    /// A failed sync of the log is taken for a good one.
    case failedSyncIgnored
    /// The interpreter says that writes are durable before they are.
    case persistedBeforeSync
    /// A segment of the log is recycled although a replica still needs a position in it: recycling
    /// goes by the furthest of the replicas, not by the one furthest back.
    case neededSegmentRecycled

    /// The log forgets what is applied, although the state is not durable that far.
    case compactedPastFlush
    /// An installed snapshot becomes a replica's state before it is durable.
    case installBeforeDurable

    // Members.

    /// Nobody compares incarnations: a node that has lost its disk is let in under its id.
    case lostDiskAdmitted
    /// A blank node takes part without asking anybody.
    case formsWithoutAsking

    // Reads.

    /// A leader serves lease reads although its lease has run out.
    case leaseReadAfterLease
    /// Whoever thinks that it leads serves reads without asking a majority.
    case readWithoutMajority
    /// A new leader serves reads before an entry of its own term is committed.
    case readBeforeOwnTermCommit
    /// A follower serves linearizable reads from what it has.
    case readFromFollower
    /// A follower takes what its leader says for as fresh as when it came.
    case ageFromArrival

    /// A replica serves a session's read before it has applied what the session has seen.
    case sessionReadTooEarly

    // State.

    /// A condition of a write is not looked at.
    case conditionIgnored
    /// A retry is carried out again: sessions are kept, and not looked at.
    case sessionsIgnored
    /// A session is evicted and the floor stays: its client is taken for a new one.
    case evictedWithoutFloor
    /// When a session was last used is forgotten in a restart: replicas evict different ones.
    case lastUseForgotten
    /// A leader proposes whatever creation time a client names.
    case creationTimeUnchecked
    /// A retry is known by its sequence number alone: another command gets the first one's result.
    case fingerprintIgnored
    /// A snapshot is made without the sessions: a retry after it takes effect twice.
    case forgetSessionsInSnapshot
    /// A snapshot lacks some of the records.
    case snapshotMissesRecords
    /// Every eighth entry is carried out twice.
    case appliedTwice
    /// One replica leaves the effect of some entries out.
    case entrySkippedOnOneReplica
    /// One replica leaves the effect of exactly one entry out: see `PlantedEntry`.
    case oneEffectLost
    /// Deletes that a node carries out again after its start are passed over.
    case deleteLostOnRestart

    // Links.

    /// A link that has failed once is never dialed again.
    case linkNeverReconnects
    /// A link that fails is dialed again at once, every time.
    case linkWithoutBackoff
    /// A link on which nothing is heard any more is kept.
    case silentPeerUnnoticed

    /// Whether a node is to have it: a divergence needs one that differs from the others.
    package func isPlanted(in node: NodeID) -> Bool {
      switch self {
      case .entrySkippedOnOneReplica, .oneEffectLost: node.rawValue == 2
      default: true
      }
    }
  }

  /// The entry that a fault of one entry is about.
  package struct PlantedEntry: Hashable, Sendable {
    package var group: GroupID
    package var index: LogIndex

    package init(group: GroupID = GroupID(1), index: LogIndex = LogIndex(20)) {
      self.group = group
      self.index = index
    }
  }
#endif
