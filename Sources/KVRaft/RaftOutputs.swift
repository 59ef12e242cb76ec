package import KVBase

/// Names one `persist` of one replica; higher ones were asked for later.
package struct PersistToken: Hashable, Comparable, Sendable {
  package var rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Names a linearizable read; higher ones were asked for later.
package struct ReadTicket: Hashable, Comparable, Sendable {
  package var rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What a `RaftCore` asks for. It is appended to; the caller empties it.
package struct RaftOutputs: Sendable {
  /// Send. `after` names the persist that must be durable first; `nil`: at once. Messages to one
  /// replica may be lost, and should not be reordered.
  package struct Send: Sendable {
    package var to: ReplicaID
    package var message: RaftMessage
    package var after: PersistToken?

    package init(to: ReplicaID, message: RaftMessage, after: PersistToken?) {
      self.to = to
      self.message = message
      self.after = after
    }
  }

  /// Write to the log in the order in which these are given, then call `persisted(token)`.
  package struct Persist: Sendable {
    package var token: PersistToken
    package var hardState: HardState?
    /// Contiguous; the first one's index may lie within the log, which then is replaced from there.
    package var entries: [LogEntry]

    package init(token: PersistToken, hardState: HardState?, entries: [LogEntry]) {
      self.token = token
      self.hardState = hardState
      self.entries = entries
    }
  }

  /// Read entries of the log from the store, and call `logRead`. At most one is open at a time.
  package struct ReadLog: Sendable {
    package var from: LogIndex
    package var through: LogIndex
    package var maxBytes: Int

    package init(from: LogIndex, through: LogIndex, maxBytes: Int) {
      self.from = from
      self.through = through
      self.maxBytes = maxBytes
    }
  }

  package enum Read: Sendable {
    /// Every ticket up to and including this one may be served once `index` is applied.
    case ready(through: ReadTicket, index: LogIndex)
    /// Leadership is gone: every open ticket fails, and nothing was done.
    case aborted
  }

  package var sends: [Send] = []
  package var persists: [Persist] = []
  package var readLogs: [ReadLog] = []
  package var reads: [Read] = []
  /// Followers that need what the log no longer holds: start a snapshot transfer, and call
  /// `snapshotFinished` at its end.
  package var snapshotsNeeded: [ReplicaID] = []
  /// The role, term or known leader changed.
  package var roleChanged = false
  /// `commitIndex` went up, or more of what is committed became durable here; look at
  /// `nextToApply`.
  package var commitAdvanced = false
  /// This replica led and does so no longer: whether what it appended and had not committed takes
  /// effect is unknown.
  package var leadershipLost = false
  /// A configuration came into force (or was rolled back).
  package var configurationChanged = false

  package init() {}

  package var isEmpty: Bool {
    sends.isEmpty && persists.isEmpty && readLogs.isEmpty && reads.isEmpty
      && snapshotsNeeded.isEmpty && !roleChanged && !commitAdvanced && !leadershipLost
      && !configurationChanged
  }

  mutating func send(
    _ body: RaftMessage.Body, term: Term, to: ReplicaID, after: PersistToken? = nil
  ) {
    sends.append(Send(to: to, message: RaftMessage(term: term, body: body), after: after))
  }

  package mutating func removeAll() {
    sends.empty()
    persists.empty()
    readLogs.empty()
    reads.empty()
    snapshotsNeeded.empty()
    roleChanged = false
    commitAdvanced = false
    leadershipLost = false
    configurationChanged = false
  }
}
