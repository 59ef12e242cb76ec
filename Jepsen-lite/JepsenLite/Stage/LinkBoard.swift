internal import JepsenNetwork
internal import KVBase

/// A directed link between any two endpoints.
struct Link: Hashable, Sendable {
  var from: Endpoint
  var to: Endpoint

  init(from: Endpoint, to: Endpoint) {
    self.from = from
    self.to = to
  }

  init(_ link: NodeLink) { self.init(from: .node(link.from), to: .node(link.to)) }

  /// Between clients and one node, both ways.
  static func clients(_ node: Int) -> [Link] {
    [Link(from: .clients, to: .node(node)), Link(from: .node(node), to: .clients)]
  }

  var name: String { "\(Self.name(from))→\(Self.name(to))" }

  private static func name(_ endpoint: Endpoint) -> String {
    switch endpoint {
    case .node(let number): "n\(number)"
    case .clients: "clients"
    }
  }
}

extension LinkRule {
  /// What holds where several faults hit one link: the worse of each.
  func and(_ other: LinkRule) -> LinkRule {
    var both = self
    both.isCut = isCut || other.isCut
    both.resets = resets || other.resets
    both.delayNanoseconds = max(delayNanoseconds, other.delayNanoseconds)
    both.jitterNanoseconds = max(jitterNanoseconds, other.jitterNanoseconds)
    if other.bytesPerSecond > 0 {
      both.bytesPerSecond =
        bytesPerSecond > 0 ? min(bytesPerSecond, other.bytesPerSecond) : other.bytesPerSecond
    }
    both.duplicatePerThousand = max(duplicatePerThousand, other.duplicatePerThousand)
    both.reorderPerThousand = max(reorderPerThousand, other.reorderPerThousand)
    both.flipPerThousand = max(flipPerThousand, other.flipPerThousand)
    return both
  }
}

/// The rules of all links. Each fault lays its own on top, and takes only its own away.
final class LinkBoard: Sendable {
  private struct Layer {
    var token: Int
    var rules: [Link: LinkRule]
  }

  private struct State {
    var layers: [Layer] = []
    var nextToken = 1
  }

  private let state = Locked(State())
  private let apply: @Sendable (LinkRule, Link) -> Void
  private let count: @Sendable (Link) -> LinkCounters

  init(
    apply: @escaping @Sendable (LinkRule, Link) -> Void,
    count: @escaping @Sendable (Link) -> LinkCounters
  ) {
    self.apply = apply
    self.count = count
  }

  /// - Returns: what to give to `lift`.
  func lay(_ rules: [Link: LinkRule]) -> Int {
    state.withLock { state in
      let token = state.nextToken
      state.nextToken += 1
      state.layers.append(Layer(token: token, rules: rules))
      update(Array(rules.keys), state)
      return token
    }
  }

  /// Other rules in the place of those laid before.
  func replace(_ token: Int, with rules: [Link: LinkRule]) {
    state.withLock { state in
      guard let at = state.layers.firstIndex(where: { $0.token == token }) else { return }
      let touched = Set(state.layers[at].rules.keys).union(rules.keys)
      state.layers[at].rules = rules
      update(Array(touched), state)
    }
  }

  func lift(_ token: Int) {
    state.withLock { state in
      guard let at = state.layers.firstIndex(where: { $0.token == token }) else { return }
      let layer = state.layers.remove(at: at)
      update(Array(layer.rules.keys), state)
    }
  }

  func liftAll() {
    state.withLock { state in
      let touched = Set(state.layers.flatMap { $0.rules.keys })
      state.layers = []
      update(Array(touched), state)
    }
  }

  func rule(_ link: Link) -> LinkRule { state.withLock { Self.rule(link, $0) } }

  func counters(_ link: Link) -> LinkCounters { count(link) }

  private static func rule(_ link: Link, _ state: State) -> LinkRule {
    state.layers.reduce(.open) { rule, layer in layer.rules[link].map { rule.and($0) } ?? rule }
  }

  private func update(_ links: [Link], _ state: State) {
    for link in links { apply(Self.rule(link, state), link) }
  }
}
