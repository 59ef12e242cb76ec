extension Promises {
  /// No acknowledged write is lost: what is read from `finalFrom` on reflects every write that was
  /// acknowledged, or one that may have come after it.
  ///
  /// Registers: the value read is not of a write that an acknowledged one had followed. Sets and
  /// lists: every acknowledged element is there. Counters: the sum lies between what was surely and
  /// what was possibly added.
  package func noLostWrites(finalFrom: UInt64) -> Verdict {
    var findings = Findings()
    var unread = 0
    for key in keys {
      let final = key.reads.filter { history[$0].startNanoseconds >= finalFrom }
      if final.isEmpty {
        unread += hasAcknowledged(key) ? 1 : 0
        continue
      }
      if key.isRegister {
        let before = AcknowledgedBefore(key.acknowledged)
        for read in final { findings.examineFresh(read, key, before, self) }
      } else {
        for read in final { examineSum(read, key, &findings) }
      }
    }
    let name = "no acknowledged write lost"
    let more = unread == 0 ? "" : "; \(unread) keys with acknowledged writes were not read"
    let verdict = findings.verdict(
      name, method: "counting", what: "final reads", fault: "lack an acknowledged write", more: more
    )
    if verdict.status == .passed && unread > 0 {
      return Verdict(name, .unknown, method: "counting", text: verdict.text)
    }
    return verdict
  }

  private func hasAcknowledged(_ key: PromiseKey) -> Bool {
    !key.acknowledged.isEmpty || key.additions.contains { history[$0].outcome == .ok }
  }

  /// What is deleted stays deleted: a read that began after a delete was acknowledged shows nothing
  /// that was written before the delete began.
  package func noResurrection() -> Verdict {
    var findings = Findings()
    for key in keys where key.isRegister && !key.deletes.isEmpty {
      let before = AcknowledgedBefore(key.deletes)
      for read in key.reads {
        guard before.newest(before: history[read].startNanoseconds) != nil else { continue }
        if history[read].value == nil {
          findings.examined += 1
        } else {
          findings.examineFresh(read, key, before, self)
        }
      }
    }
    return findings.verdict(
      "no resurrection of a delete", method: "counting", what: "reads after a delete",
      fault: "show what had been deleted")
  }

  /// Sets, lists and counters.
  private func examineSum(_ read: Int, _ key: PromiseKey, _ findings: inout Findings) {
    // A whole write or a delete among additions: what should be left can't be told by counting.
    guard key.isOnlyAdded else { return }
    findings.examined += 1
    let value = history[read].value
    let start = history[read].startNanoseconds
    let done = key.additions.filter { history[$0].isAcknowledged(before: start) }
    if case .list(let elements) = value {
      lacks(Set(elements), read, key, done, &findings)
    } else if let sum = value.map({ $0.integer }) ?? 0 {
      let open = key.additions.filter { !history[$0].isAcknowledged(before: start) }
      let sure = done.reduce(0) { $0 &+ (history[$1].value?.integer ?? 0) }
      let low = open.reduce(sure) { $0 &+ min(0, history[$1].value?.integer ?? 0) }
      let high = open.reduce(sure) { $0 &+ max(0, history[$1].value?.integer ?? 0) }
      if value == nil, done.contains(where: { !history[$0].isNumberAdded }) {
        lacks([], read, key, done, &findings)
      } else if sum < low || sum > high {
        findings.violated(
          witness(key.key, [read]) { names in
            [
              "\(names[read] ?? "") shows \(sum); \(done.count) acknowledged additions make"
                + " \(sure), and with the \(open.count) others it may be \(low) to \(high)."
            ]
          })
      }
    }
  }

  private func lacks(
    _ elements: Set<HistoryValue>, _ read: Int, _ key: PromiseKey, _ done: [Int],
    _ findings: inout Findings
  ) {
    let lost = done.filter { source in
      history[source].value.map { !elements.contains($0) } ?? false
    }
    guard let first = lost.first else { return }
    findings.violated(
      witness(key.key, [first, read]) { names in
        [
          "\(names[first] ?? "") was acknowledged before \(names[read] ?? "") began, which lacks"
            + " it; \(lost.count) such elements are lacking."
        ]
      })
  }
}

extension Promises.Findings {
  /// Whether a read shows something that one of `before` had replaced.
  mutating func examineFresh(
    _ read: Int, _ key: PromiseKey, _ before: AcknowledgedBefore, _ promises: Promises
  ) {
    let operation = promises.history[read]
    examined += 1
    let end = operation.endNanoseconds ?? UInt64.max
    guard let old = key.lastWrite(of: operation.value, by: end) else {
      return violated(promises.unwrittenWitness(key.key, read: read))
    }
    if let new = before.newest(before: operation.startNanoseconds), new.start > old.end {
      violated(promises.staleWitness(key.key, read: read, old: old, new: new))
    }
  }
}

extension HistoryOperation {
  /// An addition to what may be a counter.
  var isNumberAdded: Bool { kind == .add && value?.integer != nil }

  func isAcknowledged(before time: UInt64) -> Bool {
    outcome == .ok && (endNanoseconds ?? UInt64.max) < time
  }
}
