package import KVBase
package import KVClientCore
package import KVCommand
package import KVWire

/// Which answer a read may give.
public enum Consistency: Hashable, Sendable {
  /// The newest value, confirmed by a majority as the node is set up to. The default.
  case linearizable
  /// The newest value, always confirmed by asking a majority.
  case quorum
  /// From any replica that has applied at least what this receipt speaks of: a client that reads
  /// after its own write sees it. For a key of another partition the receipt says nothing, and any
  /// replica answers.
  case session(after: Receipt)
  /// Whatever any replica has; with `maximumAge`, not further behind than that.
  case stale(maximumAge: Duration? = nil)
}

/// How a call came to be answered.
public struct Receipt: Hashable, Sendable {
  /// How it was served: `commit`, `read-index`, `lease`, `session` or `stale`.
  public var served: String
  /// The node that answered.
  public var node: UInt32
  /// The Raft group; 0 is the meta group, partition p is group p + 1.
  public var group: UInt32
  /// The term of the group's leader.
  public var term: UInt64
  /// A write: the index of its log entry. A read: what was applied when it was served.
  public var index: UInt64
  /// Replicas that confirmed it; 1 where nobody was asked.
  public var replicas: Int

  package init(_ receipt: KVWire.Receipt) {
    served = receipt.served.name
    node = receipt.node.rawValue
    group = receipt.group.rawValue
    term = receipt.term.rawValue
    index = receipt.index.rawValue
    replicas = Int(receipt.replicas)
  }
}

/// A value as it is stored.
public struct Value: Hashable, Sendable {
  /// What was put, unchanged.
  public var bytes: [UInt8]
  /// Rises with every change of the record; for `Condition.version`.
  public var version: UInt64

  /// The bytes as text, where they are valid UTF-8.
  public var text: String? { String(validating: bytes, as: UTF8.self) }

  package init(_ record: KVCommand.Record) {
    bytes = record.value.array
    version = record.version.rawValue
  }
}

/// A key and its value, as a scan gives them.
public struct Entry: Hashable, Sendable {
  /// The key's bytes.
  public var key: [UInt8]
  /// Empty bytes in a scan of keys only.
  public var value: Value

  /// The key as text, where it is valid UTF-8.
  public var keyText: String? { String(validating: key, as: UTF8.self) }

  package init(_ scanned: ScannedRecord) {
    key = scanned.key.array
    value = Value(scanned.record)
  }
}

/// When a write takes effect; judged where it is applied, so nothing comes in between.
public enum Condition: Hashable, Sendable {
  case always
  case absent
  case present
  /// The record's version is this.
  case version(UInt64)
  /// The record's value is this.
  case value([UInt8])

  package var core: KVCommand.Condition {
    switch self {
    case .always: .always
    case .absent: .ifAbsent
    case .present: .ifPresent
    case .version(let version): .ifVersion(LogIndex(version))
    case .value(let bytes): .ifValue(Bytes(bytes))
    }
  }
}

/// Which answer to the CAP question a keyspace gives.
public enum KeyspaceMode: String, Hashable, Sendable {
  /// Linearizable; a minority refuses.
  case cp
  /// Always on; copies converge. Not there yet: creating one is refused.
  case ap
}

/// A named set of keys.
public struct Keyspace: Hashable, Sendable {
  /// Never reused, not even after a drop.
  public var id: UInt32
  /// Unique among the keyspaces that exist.
  public var name: String
  /// Fixed when it was created.
  public var mode: KeyspaceMode

  package init(_ descriptor: KeyspaceDescriptor) {
    id = descriptor.id.rawValue
    name = descriptor.name
    mode = descriptor.mode == .cp ? .cp : .ap
  }
}

/// Whether a node can serve.
public struct NodeHealth: Hashable, Sendable {
  /// The node's id.
  public var node: UInt32
  /// Groups of the node that know a leader.
  public var groupsWithLeader: Int
  /// All groups of the node.
  public var groups: Int
  /// Every group knows a leader, and the node is not shutting down.
  public var isReady: Bool
}

/// What can be said with a call.
public struct Options: Hashable, Sendable {
  /// The keyspace's name.
  public var keyspace: String
  /// How long the call may take, retries included.
  public var timeout: Duration

  /// The keyspace `default` and 5 seconds, unless told otherwise.
  public init(keyspace: String = "default", timeout: Duration = .seconds(5)) {
    self.keyspace = keyspace
    self.timeout = timeout
  }

  package func core(_ consistency: Consistency? = nil) -> CallOptions {
    var options = CallOptions(keyspace: keyspace, timeout: TimeAmount(timeout))
    switch consistency {
    case nil: break
    case .linearizable: options.consistency = .linearizable
    case .quorum: options.consistency = .quorum
    case .session(let receipt):
      options.consistency = .session
      options.after = LogIndex(receipt.index)
      options.afterGroup = GroupID(receipt.group)
    case .stale(let age):
      options.consistency = .stale
      options.maximumAge = age.map { TimeAmount($0) }
    }
    return options
  }
}

extension TimeAmount {
  /// A negative one is zero; one beyond a century is a century.
  package init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else {
      self = .zero
      return
    }
    let whole = UInt64(min(seconds, 3_155_760_000)) * 1_000_000_000
    self.init(nanoseconds: whole + UInt64(attoseconds / 1_000_000_000))
  }
}
