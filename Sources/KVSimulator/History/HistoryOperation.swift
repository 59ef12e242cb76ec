/// One operation of a recorded history, as ARCHITECTURE.md ("Histories") describes the format.
///
/// An unknown operation may take effect once at any time after its start, or never. Intervals are
/// closed: operations that touch at one instant are concurrent.
package struct HistoryOperation: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// `value` is what was read; `nil`: absent.
    case read
    /// `value` is written.
    case write
    /// `value` replaces `expected` (`nil`: absent).
    case cas
    case delete
    /// `value` is the decimal number added to a counter, `result` the sum that was answered.
    case add
  }

  package enum Outcome: Hashable, Sendable {
    case ok
    /// A `cas` that found something else than `expected`: an observation.
    case mismatch
    /// The system refused it, and it did not happen.
    case refused(String)
    case unknown
  }

  package var process: Int
  package var kind: Kind
  package var key: String
  package var value: String?
  package var expected: String?
  package var result: String?
  package var startNanoseconds: UInt64
  /// `nil`: no answer came.
  package var endNanoseconds: UInt64?
  package var outcome: Outcome

  package init(
    process: Int, kind: Kind, key: String, value: String? = nil, expected: String? = nil,
    result: String? = nil, startNanoseconds: UInt64, endNanoseconds: UInt64?, outcome: Outcome
  ) {
    self.process = process
    self.kind = kind
    self.key = key
    self.value = value
    self.expected = expected
    self.result = result
    self.startNanoseconds = startNanoseconds
    self.endNanoseconds = endNanoseconds
    self.outcome = outcome
  }
}

extension HistoryOperation {
  /// The operation as one line of JSON, without the line's end.
  package var jsonLine: String {
    var line = "{\"process\":\(process),\"op\":\"\(kind.rawValue)\",\"key\":"
    line += Self.json(key)
    line += ",\"value\":\(Self.json(value))"
    if kind == .cas { line += ",\"expected\":\(Self.json(expected))" }
    if let result { line += ",\"result\":\(Self.json(result))" }
    line += ",\"start_ns\":\(startNanoseconds)"
    line += ",\"end_ns\":\(endNanoseconds.map { String($0) } ?? "null")"
    switch outcome {
    case .ok: line += ",\"ok\":true"
    case .mismatch: line += ",\"ok\":false"
    case .refused(let error): line += ",\"ok\":false,\"error\":\(Self.json(error))"
    case .unknown: line += ",\"ok\":\"unknown\""
    }
    return line + "}"
  }

  private static func json(_ text: String?) -> String {
    guard let text else { return "null" }
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 32:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
