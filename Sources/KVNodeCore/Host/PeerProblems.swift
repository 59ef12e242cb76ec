internal import KVBase
internal import KVLink
internal import KVWire

/// Why there is no link to another node: how the last one, or the last attempt to make one, ended.
struct PeerProblems: Sendable {
  private struct Problem: Sendable {
    let node: NodeID
    /// For a list of nodes.
    var text: String
    /// As it was last logged; `nil` where the network did it.
    var warning: String?
  }

  private var problems: [Problem] = []

  /// Why the link to `node` at `address` ended. `because`: what the interpreter knows of the
  /// transport. What to log of it: what is not the network's doing, once for each reason, since a
  /// link tries again several times a second.
  mutating func ended(
    _ end: LinkEnd, _ node: NodeID, at address: String, because: String?
  ) -> String? {
    let text = Self.text(end, address, because)
    let warning = Self.warning(end.cause, node)
    guard let at = problems.firstIndex(where: { $0.node == node }) else {
      problems.append(Problem(node: node, text: text, warning: warning))
      return warning
    }
    problems[at].text = text
    guard let warning, warning != problems[at].warning else { return nil }
    problems[at].warning = warning
    return warning
  }

  /// There is a link, or the node has left.
  mutating func clear(_ node: NodeID) { problems.removeAll { $0.node == node } }

  /// Such as `n2 (nobody listens at 127.0.0.1:7402), n3 (not tried yet)`.
  func describe(_ nodes: [NodeID]) -> String {
    nodes.map { node in
      "\(node) (\(problems.first { $0.node == node }?.text ?? "not tried yet"))"
    }.joined(separator: ", ")
  }

  private static func text(_ end: LinkEnd, _ address: String, _ because: String?) -> String {
    switch end.cause {
    case .refused: "nobody listens at \(address)"
    case .lost, .requested:
      because ?? (end.wasReady ? "the connection broke" : "\(address) closed the connection")
    case .connectTimeout: "no answer from \(address)"
    case .helloTimeout: "\(address) accepts connections and says nothing"
    case .silence: "it went silent"
    case .goaway(let goaway): "it refuses this node: \(goaway.message)"
    case .rejected(let goaway): goaway.message
    case .version(let lowest, let highest):
      "it speaks versions \(lowest) to \(highest) of the protocol, and this node "
        + "\(Hello.protocolVersion)"
    case .unreadable, .unexpected:
      end.wasReady ? "it broke the protocol" : "what answers at \(address) is not a kvnode"
    }
  }

  private static func warning(_ cause: LinkEnd.Cause, _ node: NodeID) -> String? {
    switch cause {
    case .goaway(let goaway):
      "node \(node.rawValue) refuses the connection: \(goaway.message)"
    case .rejected(let goaway):
      "closing the connection to node \(node.rawValue): \(goaway.message)"
    case .unreadable(let error): "protocol violation of node \(node.rawValue): \(error)"
    case .version(let lowest, let highest):
      "node \(node.rawValue) speaks versions \(lowest) to \(highest) of the protocol, and this "
        + "one \(Hello.protocolVersion)"
    case .unexpected(let type):
      "protocol violation of node \(node.rawValue): an unexpected \(type) frame"
    case .refused, .lost, .connectTimeout, .helloTimeout, .silence, .requested: nil
    }
  }
}
