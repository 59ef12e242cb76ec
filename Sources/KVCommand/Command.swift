package import KVBase

/// What makes a retry take effect once: who sends, which of its mutations this is, and which of
/// them it still waits for (ARCHITECTURE.md, "Exactly once").
package struct SessionStamp: Hashable, Sendable {
  package var client: ClientID
  /// 1, 2, 3, … over all that this client sends, to whatever group.
  package var sequence: UInt64
  /// Results below this are no longer wanted; sequences below it are refused without effect.
  package var lowestUnacknowledged: UInt64

  package init(client: ClientID, sequence: UInt64, lowestUnacknowledged: UInt64) {
    self.client = client
    self.sequence = sequence
    self.lowestUnacknowledged = lowestUnacknowledged
  }

  /// For what the system itself proposes, which is harmless to repeat.
  package static var none: SessionStamp {
    SessionStamp(client: .none, sequence: 0, lowestUnacknowledged: 0)
  }
}

/// What an entry of a group's log does to its state.
package enum CommandBody: Hashable, Sendable {
  case mutate(keyspace: KeyspaceID, key: Bytes, KeyMutation)
  /// Deletes a keyspace's records in this group and refuses later commands on it; idempotent.
  case dropKeyspaceRecords(KeyspaceID)
  /// Forgets the sessions of clients created at or before this time, or log time where that is
  /// less, and raises the floor to it.
  case expireSessions(createdThroughMilliseconds: UInt64)
  /// The client of the command's session has left the group: it wants no result any more, and what
  /// still comes of it is refused. Its sequence is not looked at; idempotent.
  case endSession
  /// Meta group only.
  case meta(MetaCommand)
}

/// What changes the cluster map; applied by the meta group.
package enum MetaCommand: Hashable, Sendable {
  case createKeyspace(name: String, mode: KeyspaceMode)
  case dropKeyspace(name: String)
  /// Records the incarnation of a member at first contact, and its address; refused where another
  /// incarnation is recorded.
  case registerMember(MemberRecord)
  /// The first version of the map, once; later ones change nothing.
  indirect case form(ClusterMap)
}

/// A command as a log entry carries it.
package struct Command: Hashable, Sendable {
  package var session: SessionStamp
  package var body: CommandBody

  package init(session: SessionStamp, body: CommandBody) {
    self.session = session
    self.body = body
  }

  /// The keyspace and the key of a mutation of one key; `nil` for other commands.
  package var target: (keyspace: KeyspaceID, key: Bytes)? {
    guard case .mutate(let keyspace, let key, _) = body else { return nil }
    return (keyspace, key)
  }
}
