package import KVBase
package import KVCommand

/// Service (high byte) and method (low byte).
package enum Method: UInt16, Sendable, CaseIterable {
  case get = 0x0101
  case multiGet = 0x0102
  case scan = 0x0103
  case mutate = 0x0104
  case map = 0x0201
  case status = 0x0202
  case health = 0x0203
}

/// The payload of a REQUEST frame: u16 method, u8 count of metadata pairs, the pairs (u8 tag,
/// u16 length, value; unknown tags are passed over), then the method's body.
package struct Request: Sendable {
  package enum Body: Sendable {
    case read(ReadCommand)
    /// The command, and its bytes as they stand in the frame: they go to the log unchanged.
    case mutate(Command, encoded: Bytes)
    case map
    case status
    case health
  }

  package var body: Body
  /// Time left when the request was sent.
  package var deadline: TimeAmount?
  package var consistency: Consistency?
  /// The version of the group's replica set that the client routed by.
  package var epoch: Epoch?
  /// For session reads: what must be applied first.
  package var after: LogIndex?
  /// For stale reads.
  package var maximumAge: TimeAmount?
  /// For what has no key to derive it from: the group of a scan, and that of a session's end.
  package var group: GroupID?

  package init(
    _ body: Body, deadline: TimeAmount? = nil, consistency: Consistency? = nil,
    epoch: Epoch? = nil, after: LogIndex? = nil, maximumAge: TimeAmount? = nil,
    group: GroupID? = nil
  ) {
    self.body = body
    self.deadline = deadline
    self.consistency = consistency
    self.epoch = epoch
    self.after = after
    self.maximumAge = maximumAge
    self.group = group
  }

  package var method: Method {
    switch body {
    case .read(.get): .get
    case .read(.multiGet): .multiGet
    case .read(.scan): .scan
    case .mutate: .mutate
    case .map: .map
    case .status: .status
    case .health: .health
    }
  }
}

extension Request {
  private enum Tag: UInt8 {
    case deadline = 1
    case consistency = 2
    case epoch = 3
    case after = 4
    case maximumAge = 5
    case group = 6
  }

  package func encode(into writer: inout ByteWriter) {
    writer.append(method.rawValue)
    let countAt = writer.count
    writer.append(UInt8(0))
    var count: UInt8 = 0
    func pair<T: FixedWidthInteger>(_ tag: Tag, _ value: T?) {
      guard let value else { return }
      writer.append(tag.rawValue)
      writer.append(UInt16(MemoryLayout<T>.size))
      writer.append(value)
      count += 1
    }
    pair(.deadline, deadline?.microseconds)
    pair(.consistency, consistency?.rawValue)
    pair(.epoch, epoch?.rawValue)
    pair(.after, after?.rawValue)
    pair(.maximumAge, maximumAge?.microseconds)
    pair(.group, group?.rawValue)
    writer.overwrite(count, at: countAt)
    switch body {
    case .read(let command): command.encode(into: &writer)
    case .mutate(_, let encoded): writer.append(raw: encoded)
    case .map, .status, .health: break
    }
  }

  package init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    let raw = try reader.read(UInt16.self)
    guard let method = Method(rawValue: raw) else {
      throw .unknownValue(what: "method", value: UInt64(raw))
    }
    self.init(.map)
    for _ in 0..<(try reader.read(UInt8.self)) {
      let tag = try reader.read(UInt8.self)
      let value = try reader.readShort(limit: Limits.metadataBytes, what: "metadata")
      try setMetadata(tag, to: value)
    }
    switch method {
    case .get, .multiGet, .scan:
      body = .read(try ReadCommand(from: &reader, method: method))
    case .mutate:
      let encoded = reader.readRest()
      body = .mutate(try Command(decoding: encoded), encoded: encoded)
    case .map: body = .map
    case .status: body = .status
    case .health: body = .health
    }
    try reader.finish()
  }

  private mutating func setMetadata(_ tag: UInt8, to value: Bytes) throws(WireError) {
    guard let tag = Tag(rawValue: tag) else { return }
    var reader = ByteReader(value)
    switch tag {
    case .deadline: deadline = try Self.microseconds(&reader)
    case .consistency:
      let raw = try reader.read(UInt8.self)
      guard let level = Consistency(rawValue: raw) else {
        throw .unknownValue(what: "consistency", value: UInt64(raw))
      }
      consistency = level
    case .epoch: epoch = Epoch(try reader.read(UInt64.self))
    case .after: after = LogIndex(try reader.read(UInt64.self))
    case .maximumAge: maximumAge = try Self.microseconds(&reader)
    case .group: group = GroupID(try reader.read(UInt32.self))
    }
    try reader.finish()
  }

  /// A length of time of at most a day: more counts as a day.
  private static func microseconds(_ reader: inout ByteReader) throws(WireError) -> TimeAmount {
    .microseconds(min(try reader.read(UInt64.self), 86_400_000_000))
  }
}

extension ReadCommand {
  /// get: u32 keyspace, short key. multi-get: u32 keyspace, u32 count, short keys. scan: u32
  /// keyspace, short from, u8 whether there is an end, short end, u8 descending, u8 keys only,
  /// u32 limit.
  func encode(into writer: inout ByteWriter) {
    writer.append(keyspace.rawValue)
    switch self {
    case .get(_, let key): writer.append(short: key)
    case .multiGet(_, let keys):
      writer.append(UInt32(keys.count))
      for key in keys { writer.append(short: key) }
    case .scan(let scan):
      writer.append(short: scan.from)
      writer.append(scan.to != nil)
      writer.append(short: scan.to ?? Bytes())
      writer.append(scan.descending)
      writer.append(scan.keysOnly)
      writer.append(UInt32(scan.limit))
    }
  }

  init(from reader: inout ByteReader, method: Method) throws(WireError) {
    let keyspace = KeyspaceID(try reader.read(UInt32.self))
    func key(_ reader: inout ByteReader) throws(WireError) -> Bytes {
      let key = try reader.readShort(limit: Limits.keyBytes, what: "key")
      guard !key.isEmpty else { throw .invalid("key: it is empty") }
      return key
    }
    switch method {
    case .get:
      self = .get(keyspace: keyspace, key: try key(&reader))
    case .multiGet:
      let count = try reader.readCount(limit: Limits.multiGetKeys, minimumSize: 3, what: "keys")
      var keys: [Bytes] = []
      for _ in 0..<count { keys.append(try key(&reader)) }
      self = .multiGet(keyspace: keyspace, keys: keys)
    default:
      let from = try reader.readShort(limit: Limits.keyBytes, what: "scan start")
      let hasEnd = try reader.readBool()
      let to = try reader.readShort(limit: Limits.keyBytes, what: "scan end")
      let descending = try reader.readBool()
      let keysOnly = try reader.readBool()
      let limit = Int(try reader.read(UInt32.self))
      guard limit > 0 else { throw .invalid("scan limit: it is 0") }
      self = .scan(
        ScanCommand(
          keyspace: keyspace, from: from, to: hasEnd ? to : nil, descending: descending,
          keysOnly: keysOnly, limit: min(limit, Limits.pageRecords)))
    }
  }
}
