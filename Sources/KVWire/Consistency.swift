package import KVBase

/// What a reader or writer asks for (ARCHITECTURE.md, "Levels").
package enum Consistency: UInt8, Sendable, CaseIterable {
  /// The newest: by ReadIndex or lease, as the node is set.
  case linearizable = 1
  /// The newest, always by ReadIndex.
  case quorum = 2
  /// From any replica, not older than what the session has seen.
  case session = 3
  /// From any replica, whatever it has.
  case stale = 4
  case one = 5
  case all = 6

  package var name: String {
    switch self {
    case .linearizable: "linearizable"
    case .quorum: "quorum"
    case .session: "session"
    case .stale: "stale"
    case .one: "one"
    case .all: "all"
    }
  }

  package init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }
}

/// What a reply says of how it came about.
package struct Receipt: Hashable, Sendable {
  package enum Served: UInt8, Sendable, CaseIterable {
    case commit = 1
    case readIndex = 2
    case lease = 3
    case session = 4
    case stale = 5

    package var name: String {
      switch self {
      case .commit: "commit"
      case .readIndex: "read-index"
      case .lease: "lease"
      case .session: "session"
      case .stale: "stale"
      }
    }
  }

  package var served: Served
  /// Who answered.
  package var node: NodeID
  package var group: GroupID
  package var term: Term
  /// A write: its index. A read: the index that was applied when it was served.
  package var index: LogIndex
  /// Replicas that confirmed: a write's or a read round's majority; 1 where nobody was asked.
  package var replicas: UInt8
  package var hasSiblings: Bool

  package init(
    served: Served, node: NodeID, group: GroupID, term: Term, index: LogIndex, replicas: UInt8,
    hasSiblings: Bool = false
  ) {
    self.served = served
    self.node = node
    self.group = group
    self.term = term
    self.index = index
    self.replicas = replicas
    self.hasSiblings = hasSiblings
  }

  /// u8 served, u32 node, u32 group, u64 term, u64 index, u8 replicas, u8 siblings: 27 bytes.
  package func encode(into writer: inout ByteWriter) {
    unsafe writer.append(fixed: 27) { bytes in
      unsafe bytes.storeBytes(of: served.rawValue, as: UInt8.self)
      unsafe bytes.storeBytes(of: node.rawValue.bigEndian, toByteOffset: 1, as: UInt32.self)
      unsafe bytes.storeBytes(of: group.rawValue.bigEndian, toByteOffset: 5, as: UInt32.self)
      unsafe bytes.storeBytes(of: term.rawValue.bigEndian, toByteOffset: 9, as: UInt64.self)
      unsafe bytes.storeBytes(of: index.rawValue.bigEndian, toByteOffset: 17, as: UInt64.self)
      unsafe bytes.storeBytes(of: replicas, toByteOffset: 25, as: UInt8.self)
      unsafe bytes.storeBytes(of: hasSiblings ? 1 : 0, toByteOffset: 26, as: UInt8.self)
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let raw = try reader.read(UInt8.self)
    guard let served = Served(rawValue: raw) else {
      throw .unknownValue(what: "served", value: UInt64(raw))
    }
    self.served = served
    node = NodeID(try reader.read(UInt32.self))
    group = GroupID(try reader.read(UInt32.self))
    term = Term(try reader.read(UInt64.self))
    index = LogIndex(try reader.read(UInt64.self))
    replicas = try reader.read(UInt8.self)
    hasSiblings = try reader.readBool()
  }
}
