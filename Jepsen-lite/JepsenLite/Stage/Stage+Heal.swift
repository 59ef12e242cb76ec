internal import JepsenFaults
internal import JepsenHistory

extension Stage {
  /// Ends whatever still disturbs the cluster, starts what is down, and waits until all is well.
  ///
  /// - Returns: `heals`: passed, or invalid with what was wrong.
  func heal() async -> Verdict {
    board.liftAll()
    for node in nodes {
      node.faults?.heal()
      node.resume()
      node.notice()
      node.endExcuse()
    }
    let began = ContinuousClock.now
    var problems: [String] = []
    for node in nodes where !node.isRunning {
      do {
        try await launch(node)
      } catch {
        problems.append("n\(node.number) can't be started: \(error)")
      }
    }
    let (_, trouble) = await waitUntilHealthy(within: Self.healthTimeout)
    let elapsed = Tenths.text((ContinuousClock.now - began) / .seconds(1))
    if let trouble { problems.append(trouble) }
    let paused = nodes.filter { $0.processState == "T" }.map(\.number)
    if !paused.isEmpty { problems.append("\(NodeChoice.list(paused)) still stopped by a signal") }
    let method = "asking every node past the proxies"
    guard problems.isEmpty else {
      return Verdict(
        "heals", .invalid, method: method,
        text: "all faults were ended, and after \(elapsed) s: \(problems.joined(separator: "; "))")
    }
    return Verdict(
      "heals", .passed, method: method,
      text: "all faults were ended, and all \(nodes.count) nodes served within \(elapsed) s")
  }
}
