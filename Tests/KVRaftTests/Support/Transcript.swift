import Foundation
import KVBase
import Testing

@testable import KVRaft

/// What happened in a scenario, line by line, for a person to read and for a test to compare.
///
/// A recorded transcript is a Swift file in `Transcripts`. `RECORD_TRANSCRIPTS=1 swift test` writes
/// those files anew: read the difference before it is committed.
struct Transcript {
  private(set) var lines: [String] = []

  mutating func note(_ now: Instant, _ text: String) {
    let time = String(now.nanoseconds / 1_000_000)
    lines.append(String(repeating: " ", count: max(0, 5 - time.count)) + time + "  " + text)
  }

  mutating func title(_ text: String) { lines.append("-- " + text) }

  static func describe(_ message: RaftMessage) -> String {
    let term = "t\(message.term)"
    switch message.body {
    case .voteRequest(let request):
      let name = request.isPreVote ? "pre-vote?" : request.isTransfer ? "transfer vote?" : "vote?"
      return "\(name) \(term) log \(request.lastTerm).\(request.lastIndex)"
    case .voteResponse(let response):
      return (response.isPreVote ? "pre-vote " : "vote ") + (response.granted ? "yes" : "no")
        + " \(term)"
    case .append(let request):
      let entries = request.entries.map { "\($0.term).\($0.index)" }.joined(separator: " ")
      return "append \(term) after \(request.previousTerm).\(request.previousIndex) [\(entries)] "
        + "commit \(request.commit) round \(request.round)"
    case .appendResponse(let response):
      switch response.outcome {
      case .accepted(let match): return "accepted \(term) to \(match) round \(response.round)"
      case .rejected(let previous, let hint, let hintTerm):
        return "rejected \(term) at \(previous), try \(hintTerm).\(hint) round \(response.round)"
      }
    case .heartbeat(let heartbeat):
      return "heartbeat \(term) commit \(heartbeat.commit) round \(heartbeat.round)"
    case .heartbeatResponse(let response): return "alive \(term) round \(response.round)"
    case .timeoutNow: return "take over \(term)"
    }
  }

  static func describe(_ persist: RaftOutputs.Persist) -> String {
    var parts: [String] = []
    if let state = persist.hardState {
      parts.append("term \(state.term) vote " + (state.vote.map { "\($0)" } ?? "none"))
    }
    if !persist.entries.isEmpty {
      parts.append(
        "[" + persist.entries.map { "\($0.term).\($0.index)" }.joined(separator: " ") + "]")
    }
    return parts.joined(separator: " ")
  }

  /// Compares with what was recorded under `name`, or records it.
  func expect(
    _ name: String, _ recorded: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let text = lines.joined(separator: "\n")
    if ProcessInfo.processInfo.environment["RECORD_TRANSCRIPTS"] != nil {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Transcripts")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let indented = lines.map { "    " + $0 }.joined(separator: "\n")
      let source = """
        // Recorded: see Transcript.swift.
        extension Recorded {
          static let \(name) = \"""
        \(indented)
            \"""
        }

        """
      let file = folder.appendingPathComponent(
        name.prefix(1).uppercased() + name.dropFirst() + ".swift")
      try source.write(to: file, atomically: true, encoding: .utf8)
      return
    }
    for (number, pair) in zip(lines, recorded.components(separatedBy: "\n")).enumerated()
    where pair.0 != pair.1 {
      Issue.record(
        "line \(number + 1): recorded\n  \(pair.1)\nnow\n  \(pair.0)",
        sourceLocation: sourceLocation)
      return
    }
    #expect(text == recorded, sourceLocation: sourceLocation)
  }
}

/// The recorded transcripts, each in a file of its own.
enum Recorded {}
