internal import KVBase

extension HistoryOperation {
  /// The operation as one line of JSON, without the line's end.
  package var jsonLine: String {
    var line = "{\"process\":\(process),\"op\":\"\(kind.rawValue)\",\"key\":"
    line += JSON.quoted(key)
    line += ",\"value\":\(Self.json(value))"
    if kind == .cas { line += ",\"expected\":\(Self.json(expected))" }
    if let result { line += ",\"result\":\(Self.json(result))" }
    line += ",\"start_ns\":\(startNanoseconds)"
    line += ",\"end_ns\":\(endNanoseconds.map { String($0) } ?? "null")"
    switch outcome {
    case .ok: line += ",\"ok\":true"
    case .mismatch: line += ",\"ok\":false"
    case .refused(let error): line += ",\"ok\":false,\"error\":\(JSON.quoted(error))"
    case .unknown: line += ",\"ok\":\"unknown\""
    }
    if let node { line += ",\"node\":\(node)" }
    if let index { line += ",\"index\":\(index)" }
    if let served { line += ",\"served\":\(JSON.quoted(served))" }
    return line + "}"
  }

  private static func json(_ value: HistoryValue?) -> String { value?.json ?? "null" }
}

extension HistoryValue {
  package var json: String {
    switch self {
    case .text(let text): JSON.quoted(text)
    case .integer(let number): String(number)
    case .list(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
    case .map(let fields):
      "{" + fields.map { JSON.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",")
        + "}"
    }
  }
}
