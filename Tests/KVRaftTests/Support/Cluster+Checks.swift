import KVBase

@testable import KVRaft

/// The properties of Raft's figure 3, and that linearizable reads are not stale.
extension Cluster {
  func check(_ host: Int, after outputs: RaftOutputs) {
    guard let core = hosts[host].core else { return }
    #if PlantedFaults
      findings += core.violations
    #endif
    if core.role == .leader { checkElectionSafety(core) }
    checkReads(of: host, after: outputs)
    checkFreshness(of: core)
    if outputs.leadershipLost { hosts[host].openReads.removeAll() }
    if stepCount % 64 == 0 { checkLogMatching() }
  }

  /// At most one leader a term; and it holds everything that was committed before.
  private func checkElectionSafety(_ core: RaftCore) {
    if let known = leaders[core.term] {
      if known != core.id {
        findings.append("election safety: \(known) and \(core.id) lead term \(core.term)")
      }
      return
    }
    leaders[core.term] = core.id
    for entry in committed where entry.index >= core.baseIndex && entry.term < core.term {
      if core.term(at: entry.index) != entry.term {
        findings.append(
          "leader completeness: \(core.id) of term \(core.term) lacks \(entry.index)")
        return
      }
    }
  }

  /// Where two logs have an entry with the same index and term, they are the same up to there.
  func checkLogMatching() {
    for a in hosts.indices {
      for b in hosts.indices where b > a {
        guard let one = hosts[a].core, let other = hosts[b].core else { continue }
        var index = min(one.lastIndex, other.lastIndex)
        let base = max(one.baseIndex, other.baseIndex)
        var haveMet = false
        while index > base {
          let same = one.term(at: index) == other.term(at: index)
          if same { haveMet = true }
          if haveMet && !same {
            findings.append("log matching: \(one.id) and \(other.id) differ at \(index)")
            return
          }
          index = index.previous
        }
      }
    }
  }

  /// No two replicas apply different entries at one index, nor skip one.
  func applied(_ entry: LogEntry, on host: Int) {
    guard entry.index == hosts[host].written.appliedIndex.next else {
      findings.append(
        "\(hosts[host].id) applies \(entry.index) after \(hosts[host].written.appliedIndex)")
      return
    }
    hosts[host].written.appliedIndex = entry.index
    let position = Int(entry.index.rawValue) - 1
    if position < committed.count {
      if committed[position] != entry {
        findings.append(
          "state machine safety: \(hosts[host].id) applies \(entry.term) at \(entry.index), "
            + "another \(committed[position].term)")
      }
    } else {
      committed.append(entry)
      commitTimes.append(now)
    }
    // Durable here before it is applied: after a crash the log must not lag the state.
    if entry.index > hosts[host].durable.lastIndex {
      findings.append("\(hosts[host].id) applies \(entry.index), which is not durable")
    }
  }

  // MARK: Reads

  func askToRead(_ host: Int) {
    let floor = highestCommit
    input(host) { core, _ in
      if let ticket = core.requestRead() {
        self.hosts[host].openReads.append((ticket, floor))
      }
    }
    guard let core = hosts[host].core, let index = core.leaseRead(now: now) else { return }
    leaseReadsServed += 1
    if index < floor {
      findings.append("stale lease read: \(core.id) at \(index), \(floor) was committed")
    }
  }

  private func checkReads(of host: Int, after outputs: RaftOutputs) {
    for ready in outputs.readiness {
      while let first = hosts[host].openReads.first, first.ticket <= ready.through {
        hosts[host].openReads.removeFirst()
        readsServed += 1
        if ready.index < first.floor {
          findings.append(
            "stale read: \(hosts[host].id) at \(ready.index), \(first.floor) was committed")
        }
      }
    }
  }

  /// A replica that says how old its state is at most lacks nothing that was committed before that.
  private func checkFreshness(of core: RaftCore) {
    guard let age = core.age(now: now) else { return }
    agesStated += 1
    let missing = Int(core.appliedIndex.rawValue)
    guard missing < commitTimes.count, now - commitTimes[missing] > age else { return }
    findings.append(
      "freshness: \(core.id), applied \(core.appliedIndex), says that it is at most \(age) old; "
        + "the next entry was committed \(now - commitTimes[missing]) ago")
  }

  // MARK: What tests ask

  /// The leader of the highest term, if it runs.
  var leader: Int? {
    var best: Int?
    for host in hosts.indices {
      guard let core = hosts[host].core, core.role == .leader, hosts[host].pausedUntil <= now
      else { continue }
      if let known = best, let other = hosts[known].core, other.term >= core.term { continue }
      best = host
    }
    return best
  }

  @discardableResult
  func propose(_ host: Int, _ text: String) -> LogIndex? {
    var index: LogIndex?
    input(host) { core, outputs in
      index = try? core.propose(
        .command, payload: Bytes(text), wallMilliseconds: self.now.nanoseconds / 1_000_000,
        now: self.now, into: &outputs)
    }
    return index
  }

  /// Proposes at whoever leads, until everyone who runs and is a member has applied it.
  func converges(within milliseconds: UInt64, _ text: String = "last") -> Bool {
    var index: LogIndex?
    return run(within: milliseconds) {
      guard let leader, let core = hosts[leader].core, core.hasCommittedInOwnTerm else {
        return false
      }
      let known = index.map { $0 <= core.lastIndex && core.term(at: $0) == core.term } ?? false
      if !known { index = propose(leader, text) }
      guard let index else { return false }
      return core.configuration.members.allSatisfy { member in
        hosts[position(member)].core.map { $0.appliedIndex >= index } ?? true
      }
    }
  }

  func waitForLeader(within milliseconds: UInt64 = 2000) -> Int? {
    _ = run(within: milliseconds) {
      leader.map { hosts[$0].core?.hasCommittedInOwnTerm ?? false } ?? false
    }
    return leader
  }
}
