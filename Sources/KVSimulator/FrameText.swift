import KVBase
import KVNodeCore
import KVRaft
import KVWire

/// Frames as text, for the log of events.
extension SimulatedItem {
  var text: String {
    switch self {
    case .dial: return "a connection"
    case .accepted: return "that it is accepted"
    case .end: return "the end of the connection"
    case .frame(let frame): return Self.text(frame)
    }
  }

  private static func text(_ frame: Frame) -> String {
    let payload = frame.payload
    guard frame.type == .peer else {
      return "\(frame.type) \(frame.stream) (\(payload.count) bytes)"
    }
    var parts: [String] = []
    var reader = ByteReader(payload)
    var envelope: PeerEnvelope?
    while !reader.isAtEnd, let message = try? PeerMessage(from: &reader, after: &envelope) {
      parts.append("\(message.group) term \(message.term) \(Self.text(message.body))")
    }
    return parts.joined(separator: "; ")
  }

  private static func text(_ body: PeerMessage.Body) -> String {
    switch body {
    case .raft(.append(let append)):
      let entries = append.entries.map { "\($0.index)@\($0.term)" }.joined(separator: " ")
      return "append after \(append.previousIndex)@\(append.previousTerm) [\(entries)] commit "
        + "\(append.commit) round \(append.round)"
    case .raft(let raft): return Self.short("\(raft)")
    case .snapshot(.chunk(let transfer, let sequence, let isLast, let bytes)):
      return "chunk \(sequence) of \(transfer), \(bytes.count) bytes\(isLast ? ", the last" : "")"
    case .snapshot(let other): return Self.short("\(other)")
    }
  }

  /// Without the names of modules and types, which say nothing here.
  private static func short(_ text: String) -> String {
    text.split(separator: "(", omittingEmptySubsequences: false).map { part in
      guard let dot = part.lastIndex(of: "."), part[..<dot].contains("KV") else { return part }
      return part[part.index(after: dot)...]
    }.joined(separator: "(")
  }
}
