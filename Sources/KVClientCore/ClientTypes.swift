package import KVBase
package import KVCommand
package import KVWire

/// A call of the application, named by the interpreter; unique among the calls in progress.
package struct CallID: Hashable, Comparable, Sendable {
  package var rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Something that the client may connect to: an endpoint that it was given, or a node of the map.
package struct PeerID: Hashable, Comparable, Sendable {
  package var rawValue: UInt32
  package init(_ rawValue: UInt32) { self.rawValue = rawValue }
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  init(_ index: Int) { rawValue = UInt32(index) }
  var index: Int { Int(rawValue) }
}

/// An address to start from. With an id it also overrides what the map says of that node.
package struct Endpoint: Hashable, Sendable {
  package var node: NodeID?
  /// `host:port`.
  package var address: String

  package init(node: NodeID? = nil, address: String) {
    self.node = node
    self.address = address
  }

  /// `host:port` or `id=host:port`, an IPv6 address in brackets; `nil` where the text is neither.
  package init?(_ text: String) {
    var remaining = Substring(text)
    if let equals = remaining.firstIndex(of: "=") {
      guard let id = UInt32(remaining[..<equals]), id > 0, id <= 65_535 else { return nil }
      node = NodeID(id)
      remaining = remaining[remaining.index(after: equals)...]
    }
    guard let colon = remaining.lastIndex(of: ":"), colon != remaining.startIndex,
      let port = UInt16(remaining[remaining.index(after: colon)...]), port > 0,
      remaining.utf8.count <= Limits.addressBytes
    else { return nil }
    let host = remaining[..<colon]
    guard !host.contains(":") || host.hasPrefix("[") && host.hasSuffix("]") else { return nil }
    address = String(remaining)
  }
}

/// What the application asks for. The keyspace stands in the options.
package enum ClientOperation: Sendable {
  case mutate(key: Bytes, KeyMutation)
  case get(key: Bytes)
  /// Keys of any partitions: one snapshot for each partition, not over all of them.
  case multiGet(keys: [Bytes])
  /// One page over all partitions, in order of the keys.
  case scan(ScanQuery)
  case createKeyspace(name: String, mode: KeyspaceMode)
  case dropKeyspace(name: String)
  /// Tells every partition where nothing is in flight that this client has left, so that its
  /// session there is the first to go. The client may go on: under other ids.
  case endSessions
  /// A fresh map.
  case map
  /// What one node says of itself: from that node and no other.
  case status(NodeID)
  case health(NodeID)
  /// The same from whatever node is at an endpoint: also before there is a map.
  case statusAt(endpoint: String)
}

package struct CallOptions: Sendable {
  package var keyspace: String = "default"
  /// How long the call may take.
  package var timeout: TimeAmount = .seconds(5)
  /// `nil`: the default of the keyspace's mode.
  package var consistency: Consistency?
  /// Session reads: what must be applied first.
  package var after: LogIndex?
  /// The group that `after` speaks of; to others it is not sent. `nil`: to all.
  package var afterGroup: GroupID?
  /// Stale reads: how far behind the answer may be.
  package var maximumAge: TimeAmount?
  /// Whether a mutation is tried again after an attempt whose outcome is unknown. The session makes
  /// that safe; without it the call ends as `unknown`.
  package var retriesUnknown = true

  package init(
    keyspace: String = "default", timeout: TimeAmount = .seconds(5),
    consistency: Consistency? = nil, after: LogIndex? = nil, maximumAge: TimeAmount? = nil
  ) {
    self.keyspace = keyspace
    self.timeout = timeout
    self.consistency = consistency
    self.after = after
    self.maximumAge = maximumAge
  }
}

/// How a call ended.
package enum Outcome: Sendable {
  /// The state machine answered: the mutation took effect, or its condition did not hold.
  case applied(CommandResult, Receipt)
  case record(Record?, Receipt)
  /// In the order of the keys; a receipt for each group that answered.
  case records([Record?], [Receipt])
  case page(ScanPage)
  /// Every partition that was told has answered, or could not be reached.
  case sessionsEnded
  case map(ClusterView)
  case status(NodeReport)
  case health(HealthReport)
  /// Nothing was done and nothing will be.
  case rejected(Failure)
  /// It may have been done, or may yet be done, at most once; or it was not.
  case unknown(Failure)
}

/// One page of a scan.
package struct ScanPage: Sendable {
  package var records: [ScannedRecord]
  /// Where the next page begins; `nil` after the last.
  package var next: Bytes?

  package init(records: [ScannedRecord], next: Bytes?) {
    self.records = records
    self.next = next
  }
}
