package import KVBase

/// The status codes of gRPC, by number.
package enum StatusCode: UInt8, Sendable, CaseIterable {
  case ok = 0
  case cancelled = 1
  case unknown = 2
  case invalidArgument = 3
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  case permissionDenied = 7
  case resourceExhausted = 8
  case failedPrecondition = 9
  case aborted = 10
  case outOfRange = 11
  case unimplemented = 12
  case `internal` = 13
  case unavailable = 14
  case dataLoss = 15
  case unauthenticated = 16
}

/// Why a request was refused, for programs.
package enum Reason: UInt8, Sendable, CaseIterable {
  case none = 0
  /// Another replica leads; `leader` says which, where it is known.
  case notLeader = 1
  /// No leader is known yet; an election may be under way.
  case noLeader = 2
  /// No majority has been heard from for two election time-outs.
  case noQuorum = 3
  /// This node holds no replica of the group.
  case notReplica = 4
  /// The client knows a newer cluster map than this node.
  case mapBehind = 5
  /// The request's time was over before it was begun.
  case expired = 6
  /// A limit was reached; try again after `retryAfter`.
  case overloaded = 7
  case shuttingDown = 8
  case unknownKeyspace = 9
  /// It was appended to the log and leadership was lost: it may yet take effect.
  case leadershipLost = 10
  /// The keyspace's mode does not have this level or operation.
  case wrongMode = 11
  case malformed = 12
  /// A `stale` read with a maximum age that this replica does not meet.
  case tooOld = 13
  /// The node has not met a majority of its peers since it was created.
  case starting = 14
  /// The client's creation time is ahead of the leader's clock by more than
  /// `Limits.creationAheadMilliseconds`; `renewAt` says which one is admitted.
  case createdAhead = 15
}

/// Where the requests of one group go, by the map of the answering node: what a client needs that
/// was routed by an older one.
package struct GroupRoute: Hashable, Sendable {
  package struct Node: Hashable, Sendable {
    package var id: NodeID
    /// `host:port`.
    package var address: String

    package init(id: NodeID, address: String) {
      self.id = id
      self.address = address
    }
  }

  package var group: GroupID
  /// Of the group's replica set.
  package var epoch: Epoch
  /// The preferred leader first.
  package var replicas: [Node]

  package init(group: GroupID, epoch: Epoch, replicas: [Node]) {
    self.group = group
    self.epoch = epoch
    self.replicas = replicas
  }

  /// u32 group, u64 epoch, u32 count; u32 node, short address.
  func encode(into writer: inout ByteWriter) {
    writer.append(group.rawValue)
    writer.append(epoch.rawValue)
    writer.append(UInt32(replicas.count))
    for replica in replicas {
      writer.append(replica.id.rawValue)
      writer.append(short: replica.address)
    }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    group = GroupID(try reader.read(UInt32.self))
    epoch = Epoch(try reader.read(UInt64.self))
    replicas = []
    let count = try reader.readCount(
      limit: Limits.replicasPerGroup, minimumSize: 6, what: "replicas")
    for _ in 0..<count {
      let id = NodeID(try reader.read(UInt32.self))
      replicas.append(
        Node(id: id, address: try reader.readText(limit: Limits.addressBytes, what: "address")))
    }
  }
}

/// An answer that is not OK.
package struct Failure: Error, Hashable, Sendable {
  package var code: StatusCode
  package var reason: Reason
  /// True: nothing was done and nothing will be, so a retry is safe whatever the request was.
  package var notStarted: Bool
  /// What failed, why, and what to do.
  package var message: String
  package var leader: NodeID?
  /// Zero: no advice.
  package var retryAfter: TimeAmount
  /// With `createdAhead`: the creation time, in ms since 1970, that a new client id is to have;
  /// else 0.
  package var renewAt: UInt64
  /// Where the request should have gone; `nil`: it came to the right place.
  package var route: GroupRoute?

  package init(
    _ code: StatusCode, _ reason: Reason, notStarted: Bool, _ message: String,
    leader: NodeID? = nil, retryAfter: TimeAmount = .zero, renewAt: UInt64 = 0,
    route: GroupRoute? = nil
  ) {
    self.code = code
    self.reason = reason
    self.notStarted = notStarted
    self.message = message
    self.leader = leader
    self.retryAfter = retryAfter
    self.renewAt = renewAt
    self.route = route
  }
}
