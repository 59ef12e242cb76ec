/// Reads a recorded history chunk by chunk, in either format.
///
/// ```swift
/// var reader = HistoryReader()
/// while let chunk = nextChunk() { try reader.feed(chunk) }
/// let history = try reader.finish()
/// ```
///
/// After it has thrown, a reader is of no further use.
package struct HistoryReader {
  private let options: ReadingOptions
  /// What came before the first byte that shows the format.
  private var undecided: [UInt8] = []
  private var json: JSONHistoryReader?
  private var edn: EDNHistoryReader?
  private var bytes = 0

  package init(_ options: ReadingOptions = ReadingOptions()) { self.options = options }

  /// Reads a history that is in memory as a whole.
  package static func read(
    _ bytes: [UInt8], _ options: ReadingOptions = ReadingOptions()
  ) throws(HistoryProblem) -> RecordedHistory {
    var reader = HistoryReader(options)
    try reader.feed(bytes)
    return try reader.finish()
  }

  package mutating func feed(_ chunk: [UInt8]) throws(HistoryProblem) {
    bytes += chunk.count
    if json == nil && edn == nil {
      undecided += chunk
      guard let format = options.format ?? Self.format(of: undecided) else {
        guard undecided.count <= Self.undecidedBytes else { throw Self.noHistory }
        return
      }
      let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
      let text = undecided.starts(with: mark) ? Array(undecided.dropFirst(3)) : undecided
      undecided = []
      switch format {
      case .json: json = JSONHistoryReader(options)
      case .edn: edn = EDNHistoryReader(options)
      }
      return try pass(text)
    }
    try pass(chunk)
  }

  private mutating func pass(_ chunk: [UInt8]) throws(HistoryProblem) {
    try json?.feed(chunk)
    try edn?.feed(chunk)
  }

  package mutating func finish() throws(HistoryProblem) -> RecordedHistory {
    try json?.finish()
    try edn?.finish()
    if let edn {
      return RecordedHistory(
        format: .edn, operations: edn.operations, bytes: bytes, skippedEvents: edn.skipped)
    }
    guard undecided.allSatisfy({ $0 <= 0x20 }) else { throw Self.noHistory }
    return RecordedHistory(
      format: options.format ?? .json, operations: json?.operations ?? [], bytes: bytes)
  }

  /// Space and comments before the first byte that shows the format; more is no history.
  private static let undecidedBytes = 1 << 20

  private static let noHistory = HistoryProblem(
    line: 1, text: "this is neither a history in JSON lines nor one in EDN")

  /// An object of JSON begins `{"`; all else that a history may begin with is EDN. `nil`: too few
  /// bytes to tell.
  private static func format(of bytes: [UInt8]) -> HistoryFormat? {
    var remaining = bytes[...]
    if remaining.starts(with: [0xEF, 0xBB, 0xBF]) { remaining = remaining.dropFirst(3) }
    remaining = remaining.drop { $0 <= 0x20 || $0 == UInt8(ascii: ",") }
    guard let first = remaining.first else { return nil }
    switch first {
    case UInt8(ascii: "{"):
      let inside = remaining.dropFirst().drop { $0 <= 0x20 }
      guard let second = inside.first else { return nil }
      return second == UInt8(ascii: "\"") || second == UInt8(ascii: "}") ? .json : .edn
    case UInt8(ascii: "#"), UInt8(ascii: "["), UInt8(ascii: "("), UInt8(ascii: ";"): return .edn
    default: return .json
    }
  }
}
