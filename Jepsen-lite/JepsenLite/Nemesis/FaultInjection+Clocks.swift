internal import JepsenFaults
internal import JepsenHistory
internal import JepsenNetwork
internal import KVCommandLine

extension FaultInjection {
  private func handles(_ nodes: [Int]) -> [(node: Int, handle: FaultHandle)] {
    nodes.compactMap { node in stage.node(node).faults.map { (node, $0) } }
  }

  private func noHandle(_ what: String, _ nodes: [Int]) -> FaultEffect {
    FaultEffect(
      what: what, nodes: nodes, proof: "the nodes run without the fault library", didBite: false)
  }

  // MARK: The wall clock

  mutating func turnClocks(_ victims: [Int], _ fault: ClockFault) async -> FaultEffect {
    let hit = handles(victims)
    let what = "\(NodeChoice.list(victims)): \(fault)"
    guard hit.count == victims.count else { return noHandle(what, victims) }
    let before = hit.map { $0.handle.counters.clockReadsChanged }
    let since = RealClock.wall()
    for (_, handle) in hit {
      switch fault {
      case .jump(let milliseconds): handle.setWallOffset(milliseconds: milliseconds)
      case .strobe(let milliseconds, let period):
        handle.strobeWall(milliseconds: milliseconds, periodMilliseconds: period)
      }
    }
    let looks = await watchClocks(hit.map(\.handle), fault, since: since)
    var parts: [String] = []
    var didBite = true
    for (at, (node, handle)) in hit.enumerated() {
      let changed = handle.counters.clockReadsChanged - before[at]
      let text = "n\(node): clock read back \(looks[at].text), \(Measure.grouped(changed)) reads"
      parts.append(text + " answered while it was off")
      if changed == 0 || !looks[at].isAsExpected(fault) { didBite = false }
      handle.healClocks()
    }
    finish()
    return FaultEffect(
      what: what, nodes: victims, proof: parts.joined(separator: "; "), didBite: didBite)
  }

  /// Looks again and again at what the processes are shown, for the fault's length.
  private func watchClocks(
    _ handles: [FaultHandle], _ fault: ClockFault, since: UInt64
  ) async -> [ClockLooks] {
    let end = startNanoseconds + nanoseconds(1000)
    var looks = [ClockLooks](repeating: ClockLooks(), count: handles.count)
    while clock.now < end, !Task.isCancelled {
      _ = await clock.wait(until: min(end, clock.now + 20_000_000))
      for (at, handle) in handles.enumerated() {
        let reading = handle.clockReading
        looks[at].add(reading.wallReal > since ? reading.wallOffsetNanoseconds : nil, fault)
      }
    }
    return looks
  }
}

/// How far off a wall clock was found, over many looks.
struct ClockLooks {
  private var looks = 0
  private var off = 0
  private var right = 0
  private var furthest: Int64 = 0

  /// - Parameter nanoseconds: `nil` where the process has not read its clock since the fault began:
  ///   what it was shown in an earlier fault proves nothing.
  mutating func add(_ nanoseconds: Int64?, _ fault: ClockFault) {
    looks += 1
    guard let nanoseconds else { return }
    if abs(nanoseconds) > abs(furthest) { furthest = nanoseconds }
    if abs(nanoseconds / 1_000_000 - Int64(fault.milliseconds)) <= 50 { off += 1 }
    if abs(nanoseconds) < 1_000_000 { right += 1 }
  }

  /// A strobe shows both times. A jump may be seen late, where the node is stopped or down besides.
  func isAsExpected(_ fault: ClockFault) -> Bool {
    switch fault {
    case .jump: off > 0
    case .strobe: off > 0 && right > 0
    }
  }

  var text: String {
    let seconds = Tenths.text(Double(furthest) / 1e9)
    return "\(furthest < 0 ? "" : "+")\(seconds) s off at \(off) of \(looks) looks"
  }
}

extension FaultInjection {
  // MARK: Rates

  /// Clocks of all nodes run apart for the first part of the fault; in the second the leader is cut
  /// off besides, so that its lease is all that keeps its reads right.
  mutating func driftApart(_ rates: [Int], _ leader: Int?) async -> FaultEffect {
    let nodes = Array(1...stage.layout.nodes)
    let text = rates.enumerated().map { "n\($0 + 1) at \($1)/1000" }.joined(separator: ", ")
    let hit = handles(nodes)
    guard hit.count == nodes.count else { return noHandle("clocks of \(text)", nodes) }
    let before = hit.map { RateLook($0.handle) }
    for (node, handle) in hit {
      handle.setRate(partsPerMillion: (rates[node - 1] - 1000) * 1000, scalesWaits: true)
    }
    await hold(forThousandths: 400)
    let present = await stage.askForLeader()?.leader ?? leader
    let cuts = Partition.isolate(.leader).cuts(nodes: nodes.count, leader: present).sorted()
    let blocked = await block(cuts)
    let clocks = Self.readBack(hit, rates, before)
    for (_, handle) in hit { handle.healClocks() }
    finish()
    return FaultEffect(
      what:
        "clocks run apart (\(text)), and \(present.map { "n\($0)" } ?? "nobody") cut off in the "
        + "second part",
      nodes: nodes, proof: "\(clocks.text); \(Measure.grouped(blocked)) bytes blocked",
      didBite: clocks.didBite && blocked > 0)
  }

  /// The leader's clock hardly goes on, and it is cut off at the same moment, with a lease that
  /// was just renewed.
  mutating func slowLeader(_ rate: Int, _ leader: Int?) async -> FaultEffect {
    guard let victim = leader else { return noHandle("clocks at \(rate)/1000", []) }
    let what = "n\(victim): clocks at \(rate)/1000, and cut off from all others"
    let hit = handles([victim])
    guard !hit.isEmpty else { return noHandle(what, [victim]) }
    begin()
    let before = hit.map { RateLook($0.handle) }
    for (_, handle) in hit {
      handle.setRate(partsPerMillion: (rate - 1000) * 1000, scalesWaits: true)
    }
    let cuts = Partition.isolate(.these([victim])).cuts(nodes: stage.layout.nodes, leader: nil)
    let blocked = await block(cuts.sorted())
    var rates = [Int](repeating: 1000, count: stage.layout.nodes)
    rates[victim - 1] = rate
    let clocks = Self.readBack(hit, rates, before)
    for (_, handle) in hit { handle.healClocks() }
    finish()
    return FaultEffect(
      what: what, nodes: [victim],
      proof: "\(clocks.text); \(Measure.grouped(blocked)) bytes blocked",
      didBite: clocks.didBite && blocked > 0)
  }

  /// Cuts links for the rest of the fault.
  ///
  /// - Returns: bytes blocked.
  private func block(_ cuts: [NodeLink]) async -> UInt64 {
    let links = cuts.map(Link.init)
    let traffic = LinkTraffic(links, on: stage.board)
    let token = stage.board.lay(Dictionary(uniqueKeysWithValues: links.map { ($0, .cut) }))
    await hold()
    stage.board.lift(token)
    return traffic.total(\.blockedBytes)
  }

  /// How far the clocks that the processes were shown have gone astray since, beside what the rates
  /// ask for: what is left of an earlier fault is no proof of this one.
  private static func readBack(
    _ hit: [(node: Int, handle: FaultHandle)], _ rates: [Int], _ before: [RateLook]
  ) -> (text: String, didBite: Bool) {
    var parts: [String] = []
    var bitten = 0
    var asked = 0
    for (at, (node, handle)) in hit.enumerated() where rates[node - 1] != 1000 {
      let drift = RateLook(handle).since(before[at])
      asked += 1
      parts.append(
        "n\(node): clock read back \(drift.shown / 1_000_000) ms off, "
          + "set \(drift.expected / 1_000_000) ms")
      if drift.isAsExpected { bitten += 1 }
    }
    return (parts.joined(separator: "; "), asked > 0 && bitten == asked)
  }
}

/// How far off a process's monotonic clocks are, in nanoseconds: by what it was shown last, and by
/// what was set.
struct RateLook: Hashable, Sendable {
  var shown: Int64
  var expected: Int64

  init(shown: Int64, expected: Int64) {
    self.shown = shown
    self.expected = expected
  }

  init(_ handle: FaultHandle) {
    let reading = handle.clockReading
    let (boot, monotonic) = (reading.bootOffsetNanoseconds, reading.monotonicOffsetNanoseconds)
    shown = abs(boot) > abs(monotonic) ? boot : monotonic
    expected = handle.monotonicOffsetNanoseconds
  }

  func since(_ before: RateLook) -> RateLook {
    RateLook(shown: shown - before.shown, expected: expected - before.expected)
  }

  /// At least half as far off as asked for, on the same side: what was shown last may be a while
  /// ago where the process had little to do.
  var isAsExpected: Bool {
    shown != 0 && expected != 0 && (shown < 0) == (expected < 0) && abs(shown) * 2 >= abs(expected)
  }
}
