package import KVBase
package import KVRaft

/// What messages of one node to another have in common, and what is said once in a frame: u8
/// service, u64 from, u64 to.
package struct PeerEnvelope: Hashable, Sendable {
  var from: ReplicaID
  var to: ReplicaID
}

/// What replicas of one group send each other, as it stands in a PEER frame: u8 kind, u32 group,
/// u64 term, and what the kind has. An envelope comes before it, marked by a kind of 0, where it is
/// not the one of the message before it in the frame. A frame holds any number of them.
package struct PeerMessage: Hashable, Sendable {
  package enum Body: Hashable, Sendable {
    case raft(RaftMessage.Body)
    case snapshot(SnapshotMessage)
  }

  package var group: GroupID
  package var from: ReplicaID
  package var to: ReplicaID
  package var term: Term
  package var body: Body

  package init(group: GroupID, from: ReplicaID, to: ReplicaID, term: Term, body: Body) {
    self.group = group
    self.from = from
    self.to = to
    self.term = term
    self.body = body
  }
}

/// The conversation of one snapshot transfer; `transfer` is the sender's id of it.
package enum SnapshotMessage: Hashable, Sendable {
  /// Leader to follower: an image up to (index, term) is ready.
  case offer(transfer: UInt64, index: LogIndex, term: Term)
  /// Follower to leader: the next chunk wanted.
  case request(transfer: UInt64, sequence: UInt64)
  case chunk(transfer: UInt64, sequence: UInt64, isLast: Bool, bytes: Bytes)
  /// Follower to leader: installed durably, or given up.
  case done(transfer: UInt64, succeeded: Bool)
}

extension PeerMessage {
  /// Stands where a kind does: an envelope comes first.
  private static let envelopeMark: UInt8 = 0

  private enum Kind: UInt8 {
    case voteRequest = 1
    case voteResponse = 2
    case append = 3
    case appendResponse = 4
    case heartbeat = 5
    case heartbeatResponse = 6
    case timeoutNow = 7
    case snapshotOffer = 16
    case snapshotRequest = 17
    case snapshotChunk = 18
    case snapshotDone = 19
  }

  /// Which engine it is for.
  private enum Service: UInt8 {
    case raft = 1
  }

  private var envelope: PeerEnvelope { PeerEnvelope(from: from, to: to) }

  /// Appends the message. `last`: the envelope of the message before it in the frame, and then this
  /// one's.
  package func encode(after last: inout PeerEnvelope?, into writer: inout ByteWriter) {
    if last != envelope {
      writer.append(Self.envelopeMark)
      writer.append(Service.raft.rawValue)
      writer.append(from.rawValue)
      writer.append(to.rawValue)
      last = envelope
    }
    writer.append(kind.rawValue)
    writer.append(group.rawValue)
    writer.append(term.rawValue)
    switch body {
    case .raft(let raft): Self.encode(raft, into: &writer)
    case .snapshot(let snapshot): Self.encode(snapshot, into: &writer)
    }
  }

  private var kind: Kind {
    switch body {
    case .raft(.voteRequest): .voteRequest
    case .raft(.voteResponse): .voteResponse
    case .raft(.append): .append
    case .raft(.appendResponse): .appendResponse
    case .raft(.heartbeat): .heartbeat
    case .raft(.heartbeatResponse): .heartbeatResponse
    case .raft(.timeoutNow): .timeoutNow
    case .snapshot(.offer): .snapshotOffer
    case .snapshot(.request): .snapshotRequest
    case .snapshot(.chunk): .snapshotChunk
    case .snapshot(.done): .snapshotDone
    }
  }

  private static func encode(_ body: RaftMessage.Body, into writer: inout ByteWriter) {
    switch body {
    case .voteRequest(let request):
      writer.append(request.isPreVote)
      writer.append(request.isTransfer)
      writer.append(request.lastIndex.rawValue)
      writer.append(request.lastTerm.rawValue)
    case .voteResponse(let response):
      writer.append(response.isPreVote)
      writer.append(response.granted)
    case .append(let append):
      writer.append(append.previousIndex.rawValue)
      writer.append(append.previousTerm.rawValue)
      writer.append(append.commit.rawValue)
      writer.append(append.round)
      writer.append(UInt32(append.entries.count))
      for entry in append.entries { entry.encode(into: &writer) }
    case .appendResponse(let response):
      writer.append(response.round)
      writer.append(response.condition.rawValue)
      switch response.outcome {
      case .accepted(let match):
        writer.append(true)
        writer.append(match.rawValue)
      case .rejected(let previousIndex, let hint, let hintTerm):
        writer.append(false)
        writer.append(previousIndex.rawValue)
        writer.append(hint.rawValue)
        writer.append(hintTerm.rawValue)
      }
    case .heartbeat(let heartbeat):
      writer.append(heartbeat.commit.rawValue)
      writer.append(heartbeat.round)
      writer.append(heartbeat.leaderCommit.rawValue)
      writer.append(heartbeat.echo?.rawValue ?? 0)
    case .heartbeatResponse(let response):
      writer.append(response.round)
      writer.append(response.condition.rawValue)
      writer.append(response.stamp?.rawValue ?? 0)
    case .timeoutNow: break
    }
  }

  private static func encode(_ body: SnapshotMessage, into writer: inout ByteWriter) {
    switch body {
    case .offer(let transfer, let index, let term):
      writer.append(transfer)
      writer.append(index.rawValue)
      writer.append(term.rawValue)
    case .request(let transfer, let sequence):
      writer.append(transfer)
      writer.append(sequence)
    case .chunk(let transfer, let sequence, let isLast, let bytes):
      writer.append(transfer)
      writer.append(sequence)
      writer.append(isLast)
      writer.append(sized: bytes)
    case .done(let transfer, let succeeded):
      writer.append(transfer)
      writer.append(succeeded)
    }
  }

  /// Reads the next message of a frame. `envelope`: that of the message before it, and then this
  /// one's; `nil` at the begin of a frame.
  package init(
    from reader: inout ByteReader, after envelope: inout PeerEnvelope?
  ) throws(WireError) {
    var raw = try reader.read(UInt8.self)
    if raw == Self.envelopeMark {
      envelope = try Self.envelope(from: &reader)
      raw = try reader.read(UInt8.self)
    }
    guard let kind = Kind(rawValue: raw) else {
      throw .unknownValue(what: "peer message", value: UInt64(raw))
    }
    guard let envelope else { throw .invalid("peer message: no envelope before it") }
    from = envelope.from
    to = envelope.to
    group = GroupID(try reader.read(UInt32.self))
    term = Term(try reader.read(UInt64.self))
    switch kind {
    case .voteRequest:
      let isPreVote = try reader.readBool()
      let isTransfer = try reader.readBool()
      let lastIndex = LogIndex(try reader.read(UInt64.self))
      let lastTerm = Term(try reader.read(UInt64.self))
      body = .raft(
        .voteRequest(
          .init(
            isPreVote: isPreVote, lastIndex: lastIndex, lastTerm: lastTerm, isTransfer: isTransfer
          )))
    case .voteResponse:
      let isPreVote = try reader.readBool()
      body = .raft(.voteResponse(.init(isPreVote: isPreVote, granted: try reader.readBool())))
    case .append: body = .raft(.append(try Self.append(from: &reader)))
    case .appendResponse: body = .raft(.appendResponse(try Self.appendResponse(from: &reader)))
    case .heartbeat:
      let commit = LogIndex(try reader.read(UInt64.self))
      let round = try reader.read(UInt64.self)
      let leaderCommit = LogIndex(try reader.read(UInt64.self))
      body = .raft(
        .heartbeat(
          .init(
            commit: commit, round: round, leaderCommit: leaderCommit,
            echo: try Self.stamp(from: &reader))))
    case .heartbeatResponse:
      let round = try reader.read(UInt64.self)
      let condition = try Self.condition(from: &reader)
      body = .raft(
        .heartbeatResponse(
          .init(round: round, condition: condition, stamp: try Self.stamp(from: &reader))))
    case .timeoutNow: body = .raft(.timeoutNow)
    case .snapshotOffer, .snapshotRequest, .snapshotChunk, .snapshotDone:
      body = .snapshot(try Self.snapshot(kind, from: &reader))
    }
  }

  private static func envelope(
    from reader: inout ByteReader
  ) throws(WireError) -> PeerEnvelope {
    let service = try reader.read(UInt8.self)
    guard Service(rawValue: service) != nil else {
      throw .unknownValue(what: "service of a peer message", value: UInt64(service))
    }
    return PeerEnvelope(
      from: ReplicaID(rawValue: try reader.read(UInt64.self)),
      to: ReplicaID(rawValue: try reader.read(UInt64.self)))
  }

  /// u64; 0: none.
  private static func stamp(from reader: inout ByteReader) throws(WireError) -> FollowerStamp? {
    let raw = try reader.read(UInt64.self)
    return raw == 0 ? nil : FollowerStamp(rawValue: raw)
  }

  private static func append(
    from reader: inout ByteReader
  ) throws(WireError) -> RaftMessage.AppendRequest {
    let previousIndex = LogIndex(try reader.read(UInt64.self))
    let previousTerm = Term(try reader.read(UInt64.self))
    let commit = LogIndex(try reader.read(UInt64.self))
    let round = try reader.read(UInt64.self)
    let count = try reader.readCount(
      limit: Limits.frameBytes, minimumSize: LogEntry.headerSize, what: "entries")
    var entries: [LogEntry] = []
    entries.reserveCapacity(count)
    guard previousIndex.rawValue < UInt64.max - UInt64(count) - 1 else {
      throw .invalid("append: an index beyond the last")
    }
    var expected = previousIndex.next
    for _ in 0..<count {
      let entry = try LogEntry(from: &reader)
      guard entry.index == expected else { throw .invalid("append: indexes with a gap") }
      expected = expected.next
      entries.append(entry)
    }
    return .init(
      previousIndex: previousIndex, previousTerm: previousTerm, commit: commit, round: round,
      entries: entries)
  }

  private static func appendResponse(
    from reader: inout ByteReader
  ) throws(WireError) -> RaftMessage.AppendResponse {
    let round = try reader.read(UInt64.self)
    let condition = try condition(from: &reader)
    guard try reader.readBool() else {
      let previousIndex = LogIndex(try reader.read(UInt64.self))
      let hint = LogIndex(try reader.read(UInt64.self))
      let hintTerm = Term(try reader.read(UInt64.self))
      return .init(
        outcome: .rejected(previousIndex: previousIndex, hint: hint, hintTerm: hintTerm),
        round: round, condition: condition)
    }
    return .init(
      outcome: .accepted(match: LogIndex(try reader.read(UInt64.self))), round: round,
      condition: condition)
  }

  private static func condition(
    from reader: inout ByteReader
  ) throws(WireError) -> FollowerCondition {
    let condition = FollowerCondition(rawValue: try reader.read(UInt8.self))
    guard FollowerCondition.all.isSuperset(of: condition) else {
      throw .unknownValue(what: "condition of a follower", value: UInt64(condition.rawValue))
    }
    return condition
  }

  private static func snapshot(
    _ kind: Kind, from reader: inout ByteReader
  ) throws(WireError) -> SnapshotMessage {
    let transfer = try reader.read(UInt64.self)
    switch kind {
    case .snapshotOffer:
      let index = LogIndex(try reader.read(UInt64.self))
      return .offer(transfer: transfer, index: index, term: Term(try reader.read(UInt64.self)))
    case .snapshotRequest:
      return .request(transfer: transfer, sequence: try reader.read(UInt64.self))
    case .snapshotChunk:
      let sequence = try reader.read(UInt64.self)
      let isLast = try reader.readBool()
      let bytes = try reader.readSized(limit: Limits.frameBytes, what: "chunk")
      return .chunk(transfer: transfer, sequence: sequence, isLast: isLast, bytes: bytes)
    default:
      return .done(transfer: transfer, succeeded: try reader.readBool())
    }
  }
}
