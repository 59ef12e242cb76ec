internal import Glibc
package import KVBase

/// `--events FILE`: what happens inside the node as JSON lines, for the harness and for people who
/// debug. Each line has `time_ms`, `node` and `event`, and what the event has.
package final class EventsFile {
  private let handle: FileHandle
  private let node: NodeID
  private var line = ""
  /// The last line was written in part.
  private var isCut = false

  package convenience init(path: String, node: NodeID) throws(StorageError) {
    let opened = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard opened >= 0 else { throw systemError("cannot open events file \(path)") }
    self.init(FileHandle(opened), node: node)
  }

  init(_ handle: consuming FileHandle, node: NodeID) {
    self.handle = handle
    self.node = node
  }

  package func append(_ event: NodeEvent, wallMilliseconds: UInt64) {
    // Nothing is written behind a line that was cut.
    line = isCut ? "\n" : ""
    line += "{\"time_ms\":\(wallMilliseconds),\"node\":\(node.rawValue),"
    switch event {
    case .role(let group, let role, let term, let leader):
      let leaderText = leader.map { "\($0.node.rawValue)" } ?? "null"
      line +=
        "\"event\":\"role\",\"group\":\(group.rawValue),\"role\":\"\(role)\",\"term\":\(term),"
        + "\"leader\":\(leaderText)"
    case .committed(let group, let index):
      line += "\"event\":\"committed\",\"group\":\(group.rawValue),\"index\":\(index)"
    case .configuration(let group, let index, let configuration):
      let voters = configuration.voters.map { "\($0.node.rawValue)" }.joined(separator: ",")
      line +=
        "\"event\":\"configuration\",\"group\":\(group.rawValue),\"index\":\(index),"
        + "\"voters\":[\(voters)]"
    case .snapshotInstalled(let group, let index, let term):
      line +=
        "\"event\":\"snapshot\",\"group\":\(group.rawValue),\"index\":\(index),\"term\":\(term)"
    case .peer(let peer, let connected):
      line += "\"event\":\"peer\",\"peer\":\(peer.rawValue),\"connected\":\(connected)"
    case .connectionRefused(let remote, let text):
      line +=
        "\"event\":\"refused\",\"remote\":\(JSON.quoted(remote)),"
        + "\"text\":\(JSON.quoted(text))"
    case .note(let severity, let text):
      line += "\"event\":\"note\",\"severity\":\"\(severity)\",\"text\":\(JSON.quoted(text))"
    }
    line += "}\n"
    // A full disk must not stop the node: the line is lost.
    let count = line.utf8.count
    let written = line.withUTF8 {
      unsafe PosixCalls.write(UnsafeRawBufferPointer($0), to: handle.descriptor).done
    }
    if written > 0 { isCut = written < count }
  }
}
