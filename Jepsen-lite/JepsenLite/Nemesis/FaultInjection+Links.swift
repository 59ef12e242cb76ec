internal import JepsenHistory
internal import JepsenNetwork
internal import KVBase
internal import KVCommandLine

/// How the counters of links have moved.
struct LinkTraffic: Sendable {
  private let board: LinkBoard
  private let links: [Link]
  private let before: [LinkCounters]

  init(_ links: [Link], on board: LinkBoard) {
    self.links = links
    self.board = board
    before = links.map { board.counters($0) }
  }

  /// By link, in the order given.
  func since(_ field: any KeyPath<LinkCounters, UInt64> & Sendable) -> [UInt64] {
    zip(links, before).map { board.counters($0)[keyPath: field] - $1[keyPath: field] }
  }

  func total(_ field: any KeyPath<LinkCounters, UInt64> & Sendable) -> UInt64 {
    since(field).reduce(0, +)
  }
}

extension FaultInjection {
  /// How long traffic is watched before links are cut, to know which are in use.
  private static let watchMilliseconds = 400
  /// What is on its way when a link is cut may still arrive.
  private static let effectDelayMilliseconds = 100

  // MARK: Cuts

  mutating func cut(_ partition: Partition, _ leader: Int?) async -> FaultEffect {
    let cuts = partition.cuts(nodes: stage.layout.nodes, leader: leader).sorted()
    let text = partition.text(nodes: stage.layout.nodes, leader: leader)
    let nodes = partition.nodes(of: stage.layout.nodes, leader: leader)
    // Where one direction alone is cut, bytes must go on in the other.
    let open = cuts.map { NodeLink(from: $0.to, to: $0.from) }.filter { !cuts.contains($0) }
    let proof = await hold(cuts, open)
    return FaultEffect(what: text, nodes: nodes, proof: proof.text, didBite: proof.didBite)
  }

  /// Cuts links for the fault's length, and sees that `open` ones are not.
  mutating func hold(
    _ cuts: [NodeLink], _ open: [NodeLink]
  ) async -> (text: String, didBite: Bool) {
    let links = cuts.map(Link.init)
    let usual = LinkTraffic(links, on: stage.board)
    try? await Task.sleep(for: .milliseconds(Self.watchMilliseconds))
    let inUse = zip(cuts, usual.since(\.forwardedBytes)).filter { $0.1 > 0 }.map(\.0)
    begin()
    let token = stage.board.lay(Dictionary(uniqueKeysWithValues: links.map { ($0, .cut) }))
    let traffic = LinkTraffic(links, on: stage.board)
    try? await Task.sleep(for: .milliseconds(Self.effectDelayMilliseconds))
    let leaks = LinkTraffic(links, on: stage.board)
    let back = LinkTraffic(open.map(Link.init), on: stage.board)
    await hold()
    let passed = leaks.total(\.forwardedBytes)
    let stopped = zip(traffic.since(\.blockedBytes), traffic.since(\.refusedConnections)).map(+)
    let blocked = traffic.since(\.blockedBytes)
    let passedBack = back.total(\.forwardedBytes)
    stage.board.lift(token)
    finish()
    let silent = silentPairs(inUse, cuts, stopped)
    var text =
      "bytes blocked: "
      + zip(cuts, blocked).map { "\($0) \(Measure.grouped($1))" }.joined(separator: ", ")
      + "; \(Measure.grouped(passed)) bytes passed"
    if !silent.isEmpty {
      text +=
        "; nothing was blocked on \(silent.map(\.description).joined(separator: ", "))"
        + ", in use before"
    }
    if !open.isEmpty { text += "; the other way \(Measure.grouped(passedBack)) bytes passed" }
    let isOneWay = open.isEmpty || passedBack > 0
    return (text, stopped.contains { $0 > 0 } && passed == 0 && silent.isEmpty && isOneWay)
  }

  /// Links in use before that were cut, and yet nothing was blocked between their two nodes. (A
  /// node that only answered has nothing to say once it hears no more, so both directions count.)
  private func silentPairs(
    _ inUse: [NodeLink], _ cuts: [NodeLink], _ stopped: [UInt64]
  ) -> [NodeLink] {
    let speaking = zip(cuts, stopped).filter { $0.1 > 0 }.map(\.0)
    return inUse.filter { link in
      guard stage.node(link.from).isRunning, stage.node(link.to).isRunning else { return false }
      return !speaking.contains {
        $0 == link || $0 == NodeLink(from: link.to, to: link.from)
      }
    }
  }

  mutating func swizzle(_ order: [NodeLink], _ heal: [NodeLink]) async -> FaultEffect {
    let traffic = LinkTraffic(order.map(Link.init), on: stage.board)
    let token = stage.board.lay([:])
    var cut: [Link: LinkRule] = [:]
    let step = nanoseconds(450) / UInt64(max(order.count, 1))
    var next = startNanoseconds
    for link in order {
      cut[Link(link)] = .cut
      stage.board.replace(token, with: cut)
      next += step
      _ = await clock.wait(until: next)
    }
    next = startNanoseconds + nanoseconds(550)
    for link in heal {
      _ = await clock.wait(until: next)
      cut[Link(link)] = nil
      stage.board.replace(token, with: cut)
      next += step
    }
    await hold()
    stage.board.lift(token)
    finish()
    let blocked = traffic.since(\.blockedBytes)
    let total = blocked.reduce(0, +)
    return FaultEffect(
      what: "\(order.count) links cut one by one and healed in another order",
      nodes: Array(1...stage.layout.nodes),
      proof: "bytes blocked: "
        + zip(order, blocked).map { "\($0) \(Measure.grouped($1))" }.joined(separator: ", "),
      didBite: total > 0)
  }

  mutating func flap(
    _ partition: Partition, _ leader: Int?, _ period: Int
  ) async -> FaultEffect {
    let cuts = partition.cuts(nodes: stage.layout.nodes, leader: leader).sorted()
    let links = cuts.map(Link.init)
    let traffic = LinkTraffic(links, on: stage.board)
    let rules = Dictionary(uniqueKeysWithValues: links.map { ($0, LinkRule.cut) })
    let end = startNanoseconds + nanoseconds(1000)
    var times = 0
    while clock.now < end, !Task.isCancelled {
      let token = stage.board.lay(rules)
      _ = await clock.wait(until: clock.now + UInt64(period) * 1_000_000)
      stage.board.lift(token)
      times += 1
      _ = await clock.wait(until: min(end, clock.now + UInt64(period) * 1_000_000))
    }
    finish()
    let blocked = traffic.total(\.blockedBytes)
    return FaultEffect(
      what: partition.text(nodes: stage.layout.nodes, leader: leader)
        + ", and not, every \(period) ms",
      nodes: partition.nodes(of: stage.layout.nodes, leader: leader),
      proof:
        "cut \(times) times; \(Measure.grouped(blocked)) bytes blocked on \(links.count) links",
      didBite: blocked > 0)
  }

  // MARK: Traffic that passes

  mutating func disturb(_ fault: TrafficFault) async -> FaultEffect {
    if case .reset(let period) = fault { return await reset(every: period, fault.rule) }
    var links = NodeLink.all(stage.layout.nodes).map(Link.init)
    if case .flip = fault { links += (1...stage.layout.nodes).flatMap(Link.clients) }
    let traffic = LinkTraffic(links, on: stage.board)
    let rule = fault.rule
    let token = stage.board.lay(Dictionary(uniqueKeysWithValues: links.map { ($0, rule) }))
    await hold()
    stage.board.lift(token)
    finish()
    let (text, didBite) = Self.proof(of: fault, traffic)
    return FaultEffect(
      what: "\(fault)", nodes: Array(1...stage.layout.nodes), proof: text, didBite: didBite)
  }

  private static func proof(of fault: TrafficFault, _ traffic: LinkTraffic) -> (String, Bool) {
    func sentence(_ count: UInt64, _ what: String) -> (String, Bool) {
      let links = Measure.grouped(traffic.total(\.forwardedBytes))
      return ("\(Measure.grouped(count)) \(what) (\(links) bytes passed)", count > 0)
    }
    switch fault {
    case .slow, .throttle: return sentence(traffic.total(\.delayedBytes), "bytes delayed")
    case .duplicate: return sentence(traffic.total(\.duplicatedFrames), "frames sent twice")
    case .reorder: return sentence(traffic.total(\.reorderedFrames), "frames overtaken")
    case .flip: return sentence(traffic.total(\.flippedBits), "bits flipped")
    case .reset: return sentence(traffic.total(\.resetConnections), "connections reset")
    }
  }

  private mutating func reset(every period: Int, _ rule: LinkRule) async -> FaultEffect {
    let count = stage.layout.nodes
    let all = NodeLink.all(count).map(Link.init) + (1...count).flatMap(Link.clients)
    let traffic = LinkTraffic(all, on: stage.board)
    let end = startNanoseconds + nanoseconds(1000)
    var times = 0
    while clock.now < end, !Task.isCancelled {
      let endpoint = Endpoint.node(1 + Int(random.below(UInt64(count))))
      let hit = all.filter { $0.from == endpoint || $0.to == endpoint }
      let token = stage.board.lay(Dictionary(uniqueKeysWithValues: hit.map { ($0, rule) }))
      _ = await clock.wait(until: clock.now + 30_000_000)
      stage.board.lift(token)
      times += 1
      _ = await clock.wait(until: min(end, clock.now + UInt64(period) * 1_000_000))
    }
    finish()
    let (resets, refused) = (
      traffic.total(\.resetConnections), traffic.total(\.refusedConnections)
    )
    return FaultEffect(
      what: "all connections of a random node reset, \(times) times", nodes: Array(1...count),
      proof: "\(resets) connections reset, \(refused) refused", didBite: resets > 0)
  }
}
