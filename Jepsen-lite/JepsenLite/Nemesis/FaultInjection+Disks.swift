internal import Glibc
internal import JepsenFaults
internal import KVBase
internal import KVCommandLine

extension FaultInjection {
  /// Syncs stand still for so long at most before the power goes: then there is surely something
  /// that is written and not synced.
  private static let gatherMilliseconds = 400
  /// A node whose sync has failed must have ended so soon.
  private static let endTimeout = Duration.seconds(3)

  // MARK: Power

  mutating func losePower(_ victims: [Int]) async -> FaultEffect {
    let nodes = victims.map { stage.node($0) }
    let what = "power loss of \(NodeChoice.list(victims))"
    let handles = nodes.compactMap(\.faults)
    guard handles.count == nodes.count else {
      return FaultEffect(
        what: what, nodes: victims, proof: "the nodes run without the fault library",
        didBite: false)
    }
    for handle in handles { handle.stall(forMilliseconds: Self.gatherMilliseconds) }
    for _ in 0..<Self.gatherMilliseconds / 5
    where handles.contains(where: { $0.counters.stalledNow == 0 }) {
      try? await Task.sleep(for: .milliseconds(5))
    }
    begin()
    let ends = await Self.end(nodes)
    var parts: [String] = []
    var bites = 0
    for (at, handle) in handles.enumerated() {
      handle.endStall()
      let mode = PowerLoss.Mode.allCases[Int(random.below(UInt64(PowerLoss.Mode.allCases.count)))]
      do {
        let report = try PowerLoss.apply(handle, mode: mode, seed: random.next())
        let damagesData = stage.holdsServedData(report.files)
        if report.didBite, damagesData { bites += 1 }
        parts.append(
          "n\(victims[at]) (\(mode.rawValue)): \(report)"
            + (report.didBite && !damagesData ? " (nothing that it answers for)" : ""))
      } catch {
        parts.append("n\(victims[at]): \(error)")
      }
    }
    await hold()
    let problems = await start(nodes)
    finish()
    return FaultEffect(
      what: what, nodes: victims, proof: (parts + problems).joined(separator: "; "),
      didBite: bites > 0 && ends.allSatisfy { $0 == .signal(SIGKILL) })
  }

  // MARK: Disks

  mutating func spoilDisk(_ victims: [Int], _ fault: DiskFault) async -> FaultEffect {
    guard let victim = victims.first, let handle = stage.node(victim).faults else {
      return FaultEffect(
        what: "\(fault)", nodes: victims, proof: "the nodes run without the fault library",
        didBite: false)
    }
    let node = stage.node(victim)
    let before = handle.counters
    switch fault {
    case .failSync:
      node.excuse("its fsync failed", expecting: stage.expectedEnds(under: .failedSync))
      handle.failSyncs(1_000_000)
    case .full:
      node.excuse("its disk was full", expecting: stage.expectedEnds(under: .fullDisk))
      // Few, so that a node with little to write meets the end too.
      handle.limitSpace(toBytes: 4 << 10, countsOverwrites: true)
    case .slow(let milliseconds):
      handle.slowDisk(
        writeMicroseconds: 0, syncMicroseconds: milliseconds * 1000,
        jitterMicroseconds: milliseconds * 500)
    case .stalled: handle.stall(forMilliseconds: plan.lengthMilliseconds)
    }
    await hold()
    // One that has just met its first failed sync is given the time to end.
    if case .failSync = fault, handle.counters.syncsFailed > before.syncsFailed {
      _ = await node.process?.waitForEnd(within: Self.endTimeout)
    }
    node.notice()
    let after = handle.counters
    let hasEnded = !node.isRunning
    var text: String
    let didBite: Bool
    switch fault {
    case .failSync:
      let failed = after.syncsFailed - before.syncsFailed
      (text, didBite) = ("\(failed) failed fsyncs delivered", failed > 0)
      if didBite, !hasEnded {
        node.find(
          NodeFinding(
            text: "n\(victim) went on after \(failed) of its fsyncs had failed: what it answers "
              + "for may not be on its disk", isViolation: true))
      }
    case .full:
      let refused = after.spaceRefusals - before.spaceRefusals
      (text, didBite) = ("ENOSPC delivered \(refused) times", refused > 0)
    case .slow:
      let delays = after.delays - before.delays
      let seconds = Double(after.delayNanoseconds - before.delayNanoseconds) / 1e9
      (text, didBite) = (
        "\(Measure.grouped(delays)) calls delayed by \(Tenths.text(seconds)) s in all", delays > 0
      )
    case .stalled:
      let stalls = after.stalls - before.stalls
      (text, didBite) = ("\(stalls) calls stood still", stalls > 0)
    }
    if case .failSync = fault, hasEnded { text += "; " + afterFailedSync(handle) }
    handle.healDisk()
    text += "; " + (await restart(node))
    finish()
    return FaultEffect(
      what: "n\(victim): \(fault)", nodes: victims, proof: text, didBite: didBite)
  }

  /// What a failed sync was for may be on the disk or not: half of the time it is not.
  private mutating func afterFailedSync(_ handle: FaultHandle) -> String {
    guard random.chance(1, in: 2) else { return "what was written is still there" }
    do {
      return "\(try PowerLoss.apply(handle, mode: .loseAll, seed: random.next()))"
    } catch {
      return "\(error)"
    }
  }

  /// Ends an excuse: a node that stopped is started again.
  ///
  /// - Returns: how the node reacted to the fault.
  private func restart(_ node: StageNode) async -> String {
    node.notice()
    let status = node.excusedEnd
    let words = node.lastWords
    node.endExcuse()
    guard let status else { return "the node ran on" }
    let problems = await start([node])
    return (["the node stopped (\(status): \(words)) and was started again"] + problems)
      .joined(separator: "; ")
  }
}
