/// The session guarantees of sets, lists and counters, to which is only added.
extension Promises {
  /// What a process reads only grows: a later list begins with the earlier one, a later set has all
  /// of its elements, and a counter that nobody takes from does not fall.
  func examineGrowth(_ key: PromiseKey, _ findings: inout Findings) {
    let isList = key.additions.contains { history[$0].kind == .append }
    let canFall = key.additions.contains { (history[$0].value?.integer ?? 0) < 0 }
    for own in byProcess(key.reads) {
      for (earlier, later) in zip(own, own.dropFirst()) {
        findings.examined += 1
        let fault: String?
        switch (history[earlier].value, history[later].value) {
        case (.list(let before), let after):
          let after = after.flatMap { $0.elements } ?? []
          if isList {
            fault = after.starts(with: before) ? nil : "does not begin with what was there"
          } else {
            fault = Set(after).isSuperset(of: before) ? nil : "lacks an element that was there"
          }
        case (.integer(let before), let after) where !canFall:
          fault = (after?.integer ?? 0) >= before ? nil : "is less than before"
        default: fault = nil
        }
        guard let fault else { continue }
        findings.violated(
          witness(key.key, [earlier, later]) { names in
            [
              "process \(history[later].process) did \(names[later] ?? "") after"
                + " \(names[earlier] ?? ""): what it saw \(fault)."
            ]
          })
      }
    }
  }

  /// A process sees what it added itself, once that was acknowledged.
  func examineOwnAdditions(_ key: PromiseKey, _ findings: inout Findings) {
    let canFall = key.additions.contains { (history[$0].value?.integer ?? 0) < 0 }
    for own in byProcess(key.operations) {
      var added: [Int] = []
      // Reads are answered by counting, so that each costs no more than its own length.
      var positions: [HistoryValue: Int] = [:]
      var sum: Int64 = 0
      for source in own where history[source].outcome == .ok {
        let operation = history[source]
        guard operation.kind == .read else {
          if let element = operation.value, positions[element] == nil {
            positions[element] = added.count
            added.append(source)
          }
          sum &+= operation.value?.integer ?? 0
          continue
        }
        guard !added.isEmpty else { continue }
        findings.examined += 1
        let isNumber = operation.value?.integer != nil
        // What is absent may be a counter of 0.
        if isNumber || (operation.value == nil && added.allSatisfy { history[$0].isNumberAdded }) {
          if !canFall, operation.value?.integer ?? 0 < sum {
            findings.violated(ownWitness(key, added[0], source, "which shows less than"))
          }
          continue
        }
        let found = Set((operation.value?.elements ?? []).compactMap { positions[$0] })
        if found.count < added.count,
          let first = added.indices.first(where: { !found.contains($0) })
        {
          findings.violated(ownWitness(key, added[first], source, "which lacks"))
        }
      }
    }
  }

  private func ownWitness(
    _ key: PromiseKey, _ addition: Int, _ read: Int, _ what: String
  ) -> Witness {
    witness(key.key, [addition, read]) { names in
      [
        "process \(history[read].process) did \(names[read] ?? ""), \(what) its own"
          + " \(names[addition] ?? ""), which had been acknowledged."
      ]
    }
  }
}

extension HistoryValue {
  var elements: [HistoryValue]? {
    if case .list(let elements) = self { elements } else { nil }
  }
}
