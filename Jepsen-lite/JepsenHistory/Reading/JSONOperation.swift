internal import KVBase

/// One line of JSON on its way to a `HistoryOperation`.
///
/// Names of fields and operations have at most eight bytes, so that each is one number.
struct JSONOperation {
  private var process: Int?
  private var kind: HistoryOperation.Kind?
  private var key: String?
  private var value: HistoryValue?
  private var expected: HistoryValue?
  private var result: HistoryValue?
  private var start: UInt64?
  private var end: UInt64?
  private var ok: Ok?
  private var error: String?
  private var node: UInt32?
  private var index: UInt64?
  private var served: String?
  /// The fields that were seen, by their place in `Field`.
  private var seen: UInt32 = 0

  private enum Ok { case yes, no, unknown }

  private enum Field: UInt32 {
    case process, op, key, value, expected, result, start, end, ok, error, node, index, served
  }

  private static let fields: [(name: UInt64, field: Field)] = [
    ("process", Field.process), ("op", .op), ("key", .key), ("value", .value),
    ("start_ns", .start), ("end_ns", .end), ("ok", .ok), ("expected", .expected),
    ("result", .result), ("node", .node), ("index", .index), ("served", .served),
    ("error", .error),
  ].map { (packed($0.0.utf8), $0.1) }

  private static let kinds: [(name: UInt64, kind: HistoryOperation.Kind)] =
    HistoryOperation.Kind.allCases.map { (packed($0.rawValue.utf8), $0) }

  private static func packed(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }

  static func read(
    _ cursor: inout JSONCursor, failedCas: FailedCas
  ) throws(JSONError) -> HistoryOperation {
    var line = JSONOperation()
    try cursor.object { (cursor) throws(JSONError) in
      let nameAt = cursor.at
      let name = try cursor.packedName()
      try cursor.colon()
      try line.readField(name, at: nameAt, &cursor)
    }
    try cursor.finish("the end of the line")
    do throws(Missing) {
      return try line.operation(failedCas)
    } catch {
      throw JSONError(at: nil, text: error.text)
    }
  }

  /// `name` is 0 for a name that is none of these.
  private mutating func readField(
    _ name: UInt64, at nameAt: Int, _ cursor: inout JSONCursor
  ) throws(JSONError) {
    guard let field = Self.fields.first(where: { $0.name == name })?.field else {
      return try cursor.skipValue()
    }
    guard seen & (1 << field.rawValue) == 0 else {
      throw JSONError(at: nameAt, text: "a field stands twice")
    }
    seen |= 1 << field.rawValue
    switch field {
    case .process:
      guard let number = try cursor.integer("the number of a process").signed else {
        throw JSONError(at: nameAt, text: "a number is beyond 64 bits")
      }
      process = Int(number)
    case .op: kind = try Self.kind(&cursor)
    case .key: key = try Self.key(&cursor)
    case .value: value = try cursor.value()
    case .expected: expected = try cursor.value()
    case .result: result = try cursor.value()
    case .start: start = try Self.natural(&cursor, "start_ns")
    case .end: end = try Self.natural(&cursor, "end_ns")
    case .ok: ok = try Self.ok(&cursor)
    case .error: error = try Self.text(&cursor, "error")
    case .node: node = try Self.node(&cursor)
    case .index: index = try Self.natural(&cursor, "index")
    case .served: served = try Self.text(&cursor, "served")
    }
  }

  private static func kind(
    _ cursor: inout JSONCursor
  ) throws(JSONError) -> HistoryOperation.Kind {
    let start = cursor.at
    let name = try cursor.packedName()
    guard let kind = kinds.first(where: { $0.name == name })?.kind else {
      let known = HistoryOperation.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw JSONError(at: start, text: "there is no such op: it is one of \(known)")
    }
    return kind
  }

  /// A string, or an integer as its text.
  private static func key(_ cursor: inout JSONCursor) throws(JSONError) -> String {
    let start = cursor.at
    switch try cursor.value() {
    case .text(let text): return text
    case .integer(let number): return String(number)
    default: throw JSONError(at: start, text: "key must be a string")
    }
  }

  private static func natural(
    _ cursor: inout JSONCursor, _ name: String
  ) throws(JSONError) -> UInt64? {
    if cursor.peek() == UInt8(ascii: "n") {
      try cursor.word("null")
      return nil
    }
    let start = cursor.at
    let number = try cursor.integer("a number of \(name)")
    guard !number.isNegative else {
      throw JSONError(at: start, text: "\(name) is less than 0")
    }
    return number.magnitude
  }

  private static func node(_ cursor: inout JSONCursor) throws(JSONError) -> UInt32? {
    // Decides nothing: a node by name is as good, and is not kept.
    guard cursor.isAtNumber() else {
      try cursor.skipValue()
      return nil
    }
    return UInt32(exactly: try cursor.integer("node").magnitude)
  }

  private static func text(
    _ cursor: inout JSONCursor, _ name: String
  ) throws(JSONError) -> String? {
    let start = cursor.at
    switch try cursor.value() {
    case nil: return nil
    case .text(let text): return text
    case .integer(let number): return String(number)
    case .list, .map: throw JSONError(at: start, text: "\(name) must be a string")
    }
  }

  private static func ok(_ cursor: inout JSONCursor) throws(JSONError) -> Ok {
    let expected = "true, false or \"unknown\" for ok"
    switch cursor.peek() {
    case UInt8(ascii: "t"):
      try cursor.word("true")
      return .yes
    case UInt8(ascii: "f"):
      try cursor.word("false")
      return .no
    case UInt8(ascii: "\""):
      let start = cursor.at
      guard try cursor.string(expected) == "unknown" else {
        throw JSONError(at: start, text: "ok is true, false or \"unknown\"")
      }
      return .unknown
    default: throw cursor.unexpected(expected)
    }
  }

  private struct Missing: Error { var text: String }

  private func operation(_ failedCas: FailedCas) throws(Missing) -> HistoryOperation {
    guard let process else { throw Missing(text: "process is missing") }
    guard let kind else { throw Missing(text: "op is missing") }
    guard let key else { throw Missing(text: "key is missing") }
    guard let start else { throw Missing(text: "start_ns is missing") }
    guard let ok else { throw Missing(text: "ok is missing") }
    try guardValues(of: kind, ok)
    if let end, end < start {
      throw Missing(text: "end_ns \(end) is before start_ns \(start)")
    }
    let outcome: HistoryOperation.Outcome
    switch ok {
    case .yes: outcome = .ok
    case .unknown: outcome = .unknown
    case .no where kind == .cas && error == nil && failedCas == .observed: outcome = .mismatch
    case .no: outcome = .refused(error ?? "")
    }
    if end == nil, outcome == .ok || outcome == .mismatch {
      throw Missing(text: "end_ns is missing, though ok says that an answer came")
    }
    var operation = HistoryOperation(
      process: process, kind: kind, key: key, value: value, expected: expected, result: result,
      startNanoseconds: start, endNanoseconds: end, outcome: outcome)
    operation.node = node
    operation.index = index
    operation.served = served
    return operation
  }

  /// A field that is not there is no `null`: it may be there under another name, and a history of
  /// nothing but absent values would be explained whatever was seen.
  private func guardValues(of kind: HistoryOperation.Kind, _ ok: Ok) throws(Missing) {
    let needsValue: Bool =
      switch kind {
      case .read, .scan, .generate: ok == .yes
      case .write, .cas, .add, .append, .transfer: ok != .no || kind == .cas && error == nil
      case .delete, .acquire, .release: false
      }
    guard needsValue else { return }
    func guardSeen(_ field: Field, _ name: String) throws(Missing) {
      guard seen & (1 << field.rawValue) == 0 else { return }
      throw Missing(text: "\(name) is missing: what is absent is written as null")
    }
    try guardSeen(.value, "value")
    if kind == .cas { try guardSeen(.expected, "expected") }
  }
}

extension JSONCursor {
  /// The name of a field as a number; 0 where it is longer than eight bytes, or empty.
  mutating func packedName() throws(JSONError) -> UInt64 {
    guard peek() == UInt8(ascii: "\"") else { throw unexpected("a name in quotes") }
    let start = at
    var packed: UInt64 = 0
    var next = at + 1
    while next < end, bytes[next] >= 0x20, bytes[next] < 0x7F, bytes[next] != 0x5C {
      if bytes[next] == UInt8(ascii: "\"") {
        let length = next - start - 1
        at = next + 1
        return length <= 8 ? packed : 0
      }
      packed = packed << 8 | UInt64(bytes[next])
      next += 1
    }
    let name = try string("a name in quotes")
    return name.utf8.count <= 8 ? name.utf8.reduce(0) { $0 << 8 | UInt64($1) } : 0
  }
}
