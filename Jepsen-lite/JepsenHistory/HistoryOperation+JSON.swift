extension HistoryOperation {
  /// The operation as one line of JSON, without the line's end.
  package var jsonLine: String {
    var line = "{\"process\":\(process),\"op\":\"\(kind.rawValue)\",\"key\":"
    line += JSONText.quoted(key)
    line += ",\"value\":\(Self.json(value))"
    if kind == .cas { line += ",\"expected\":\(Self.json(expected))" }
    if let result { line += ",\"result\":\(Self.json(result))" }
    line += ",\"start_ns\":\(startNanoseconds)"
    line += ",\"end_ns\":\(endNanoseconds.map { String($0) } ?? "null")"
    switch outcome {
    case .ok: line += ",\"ok\":true"
    case .mismatch: line += ",\"ok\":false"
    case .refused(let error): line += ",\"ok\":false,\"error\":\(JSONText.quoted(error))"
    case .unknown: line += ",\"ok\":\"unknown\""
    }
    if let node { line += ",\"node\":\(node)" }
    if let index { line += ",\"index\":\(index)" }
    if let served { line += ",\"served\":\(JSONText.quoted(served))" }
    return line + "}"
  }

  private static func json(_ value: HistoryValue?) -> String { value?.json ?? "null" }
}

extension HistoryValue {
  package var json: String {
    switch self {
    case .text(let text): JSONText.quoted(text)
    case .integer(let number): String(number)
    case .list(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
    case .map(let fields):
      "{" + fields.map { JSONText.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",")
        + "}"
    }
  }
}

package enum JSONText {
  package static func quoted(_ text: String) -> String {
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
