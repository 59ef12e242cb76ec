package import KVBase
package import KVCommand

/// The payload of a RESPONSE frame: u8 status code, u8 flags (bit 0: not started); then for OK a
/// u8 kind and the answer, else u8 reason, u32 leader (0: unknown), u32 retry-after in
/// milliseconds, u64 creation time to renew with (0: none), short message, u8 whether a
/// `GroupRoute` follows, and that.
package enum Reply: Sendable {
  /// The command was applied; the result says what that did.
  case applied(CommandResult, Receipt)
  case read(ReadResult, Receipt)
  case map(ClusterView)
  case status(NodeReport)
  case health(HealthReport)
  case failed(Failure)
}

extension Reply {
  private enum Kind: UInt8 {
    case applied = 1
    case record = 2
    case records = 3
    case page = 4
    case map = 5
    case status = 6
    case health = 7
  }

  package func encode(into writer: inout ByteWriter) {
    switch self {
    case .applied(let result, let receipt):
      Self.head(.applied, into: &writer)
      receipt.encode(into: &writer)
      result.encode(into: &writer)
    case .read(let result, let receipt):
      Self.encode(result, receipt, into: &writer)
    case .map(let view):
      Self.head(.map, into: &writer)
      view.encode(into: &writer)
    case .status(let report):
      Self.head(.status, into: &writer)
      report.encode(into: &writer)
    case .health(let report):
      Self.head(.health, into: &writer)
      report.encode(into: &writer)
    case .failed(let failure):
      writer.append(failure.code.rawValue)
      writer.append(failure.notStarted)
      writer.append(failure.reason.rawValue)
      writer.append(failure.leader?.rawValue ?? 0)
      writer.append(UInt32(clamping: failure.retryAfter.milliseconds))
      writer.append(failure.renewAt)
      writer.append(message: failure.message)
      writer.append(failure.route != nil)
      failure.route?.encode(into: &writer)
    }
  }

  private static func head(_ kind: Kind, into writer: inout ByteWriter) {
    writer.append(StatusCode.ok.rawValue)
    writer.append(UInt8(0))
    writer.append(kind.rawValue)
  }

  private static func encode(
    _ result: ReadResult, _ receipt: Receipt, into writer: inout ByteWriter
  ) {
    switch result {
    case .record(let record):
      head(.record, into: &writer)
      receipt.encode(into: &writer)
      encode(record, into: &writer)
    case .records(let records):
      head(.records, into: &writer)
      receipt.encode(into: &writer)
      writer.append(UInt32(records.count))
      for record in records { encode(record, into: &writer) }
    case .page(let records, let more):
      head(.page, into: &writer)
      receipt.encode(into: &writer)
      writer.append(more)
      writer.append(UInt32(records.count))
      for scanned in records {
        writer.append(short: scanned.key)
        writer.append(scanned.record.version.rawValue)
        writer.append(sized: scanned.record.value)
      }
    case .tooLarge:
      Reply.failed(
        Failure(
          .resourceExhausted, .none, notStarted: true,
          "the values of these keys are more than \(Limits.multiGetBytes >> 20) MiB: ask for fewer"
        )
      ).encode(into: &writer)
    case .keyspaceDropped:
      head(.applied, into: &writer)
      receipt.encode(into: &writer)
      CommandResult.keyspaceDropped.encode(into: &writer)
    }
  }

  private static func encode(_ record: Record?, into writer: inout ByteWriter) {
    writer.append(record != nil)
    guard let record else { return }
    writer.append(record.version.rawValue)
    writer.append(sized: record.value)
  }

  package init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    let rawCode = try reader.read(UInt8.self)
    guard let code = StatusCode(rawValue: rawCode) else {
      throw .unknownValue(what: "status", value: UInt64(rawCode))
    }
    let notStarted = try reader.readBool()
    guard code == .ok else {
      self = .failed(try Failure(from: &reader, code: code, notStarted: notStarted))
      try reader.finish()
      return
    }
    let rawKind = try reader.read(UInt8.self)
    guard let kind = Kind(rawValue: rawKind) else {
      throw .unknownValue(what: "reply kind", value: UInt64(rawKind))
    }
    switch kind {
    case .applied:
      let receipt = try Receipt(from: &reader)
      self = .applied(try CommandResult(from: &reader), receipt)
    case .record:
      let receipt = try Receipt(from: &reader)
      self = .read(.record(try Self.record(from: &reader)), receipt)
    case .records:
      let receipt = try Receipt(from: &reader)
      let count = try reader.readCount(limit: Limits.multiGetKeys, minimumSize: 1, what: "records")
      var records: [Record?] = []
      for _ in 0..<count { records.append(try Self.record(from: &reader)) }
      self = .read(.records(records), receipt)
    case .page:
      let receipt = try Receipt(from: &reader)
      self = .read(try Self.page(from: &reader), receipt)
    case .map: self = .map(try ClusterView(from: &reader))
    case .status: self = .status(try NodeReport(from: &reader))
    case .health: self = .health(try HealthReport(from: &reader))
    }
    try reader.finish()
  }

  private static func record(from reader: inout ByteReader) throws(WireError) -> Record? {
    guard try reader.readBool() else { return nil }
    let version = LogIndex(try reader.read(UInt64.self))
    return Record(
      version: version, value: try reader.readSized(limit: Limits.valueBytes, what: "value"))
  }

  private static func page(from reader: inout ByteReader) throws(WireError) -> ReadResult {
    let more = try reader.readBool()
    let count = try reader.readCount(limit: Limits.pageRecords, minimumSize: 14, what: "records")
    var records: [ScannedRecord] = []
    records.reserveCapacity(count)
    for _ in 0..<count {
      let key = try reader.readShort(limit: Limits.keyBytes, what: "key")
      let version = LogIndex(try reader.read(UInt64.self))
      let value = try reader.readSized(limit: Limits.valueBytes, what: "value")
      records.append(ScannedRecord(key: key, record: Record(version: version, value: value)))
    }
    return .page(records, more: more)
  }
}

extension Failure {
  init(
    from reader: inout ByteReader, code: StatusCode, notStarted: Bool
  ) throws(WireError) {
    let rawReason = try reader.read(UInt8.self)
    let leader = try reader.read(UInt32.self)
    let retryAfter = try reader.read(UInt32.self)
    let renewAt = try reader.read(UInt64.self)
    let message = try reader.readMessage()
    let route = try reader.readBool() ? try GroupRoute(from: &reader) : nil
    self.init(
      code, Reason(rawValue: rawReason) ?? .none, notStarted: notStarted, message,
      leader: leader == 0 ? nil : NodeID(leader),
      retryAfter: .milliseconds(UInt64(retryAfter)), renewAt: renewAt, route: route)
  }
}
