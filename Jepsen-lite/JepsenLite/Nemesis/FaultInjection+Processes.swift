internal import Glibc
internal import JepsenHistory

extension FaultInjection {
  mutating func kill(_ victims: [Int]) async -> FaultEffect {
    let nodes = victims.map { stage.node($0) }
    let pids = nodes.map(\.pid)
    let ends = await Self.end(nodes)
    let downAt = clock.now
    await hold()
    let stayedDown = nodes.allSatisfy { !$0.isRunning }
    let seconds = Double(clock.now - downAt) / 1e9
    let problems = await start(nodes)
    finish()
    var parts: [String] = []
    for (at, node) in nodes.enumerated() {
      let before = pids[at].map { "process \($0)" } ?? "no process"
      let ended = ends[at].map { "ended by \($0)" } ?? "did not end"
      let now = node.pid.map { "started again as \($0)" } ?? "not started again"
      parts.append("n\(node.number) (\(before)) \(ended), \(now)")
    }
    parts.append("down for \(Tenths.text(seconds)) s")
    return FaultEffect(
      what: "\(NodeChoice.list(victims)) killed", nodes: victims,
      proof: (parts + problems).joined(separator: "; "),
      didBite: stayedDown && ends.allSatisfy { $0 == .signal(SIGKILL) })
  }

  /// Kills all at once.
  static func end(_ nodes: [StageNode]) async -> [ExitStatus?] {
    await withTaskGroup(of: (Int, ExitStatus?).self) { group in
      for (at, node) in nodes.enumerated() {
        group.addTask { (at, await node.end(by: SIGKILL)) }
      }
      var ends = [ExitStatus?](repeating: nil, count: nodes.count)
      for await (at, status) in group { ends[at] = status }
      return ends
    }
  }

  /// - Returns: why nodes could not be started.
  func start(_ nodes: [StageNode]) async -> [String] {
    var problems: [String] = []
    for node in nodes {
      do {
        try await stage.launch(node)
      } catch {
        problems.append("n\(node.number) can't be started: \(error)")
      }
    }
    return problems
  }

  mutating func pause(_ victims: [Int]) async -> FaultEffect {
    let nodes = victims.map { stage.node($0) }
    for node in nodes { node.pause() }
    for _ in 0..<100 where !nodes.allSatisfy({ $0.processState == "T" }) {
      try? await Task.sleep(for: .milliseconds(5))
    }
    begin()
    let end = startNanoseconds + nanoseconds(1000)
    var (looks, stopped) = (0, 0)
    while clock.now < end, !Task.isCancelled {
      for node in nodes {
        looks += 1
        if node.processState == "T" { stopped += 1 }
      }
      _ = await clock.wait(until: min(end, clock.now + 20_000_000))
    }
    let seconds = heldSeconds
    for node in nodes { node.resume() }
    finish()
    for _ in 0..<200 where nodes.contains(where: { $0.processState == "T" }) {
      try? await Task.sleep(for: .milliseconds(5))
    }
    let still = nodes.filter { $0.processState == "T" }.map(\.number)
    var proof =
      "stopped (state T) at \(stopped) of \(looks) looks over \(Tenths.text(seconds)) s"
    proof += still.isEmpty ? ", and then went on" : "; still stopped: \(NodeChoice.list(still))"
    return FaultEffect(
      what: "\(NodeChoice.list(victims)) stopped by SIGSTOP", nodes: victims, proof: proof,
      didBite: looks > 0 && stopped == looks && still.isEmpty)
  }
}
