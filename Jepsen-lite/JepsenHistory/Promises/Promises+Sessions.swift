/// What each process may expect of its own session (Terry et al., "Session guarantees for weakly
/// consistent replicated data", 1994).
extension Promises {
  /// The reads of one process of one key don't go back: neither to a lower index, nor to a value
  /// that had been written before the writing of an earlier read one began.
  package func monotonicReads() -> Verdict {
    var findings = Findings()
    for key in keys where key.isOnlyAdded { examineGrowth(key, &findings) }
    for key in keys where key.isRegister {
      for own in byProcess(key.reads) {
        var seen = Seen()
        for read in own {
          if !seen.isEmpty { findings.examined += 1 }
          if let older = older(read, than: seen, key) {
            findings.violated(
              sessionWitness(
                key, read, after: older, "read it earlier and saw what is newer"))
          }
          seen.note(read, history[read], start: key.firstStart(of: history[read].value))
        }
      }
    }
    return findings.verdict(
      "monotonic reads", method: "counting", what: "repeated reads",
      fault: "went back to before an earlier read of the process")
  }

  /// A process that reads a key sees its own acknowledged writes, or newer ones.
  package func readYourWrites() -> Verdict {
    var findings = Findings()
    for key in keys where key.isOnlyAdded { examineOwnAdditions(key, &findings) }
    for key in keys where key.isRegister {
      for own in byProcess(key.operations) {
        var seen = Seen()
        for source in own {
          let operation = history[source]
          guard operation.outcome == .ok else { continue }
          switch operation.kind {
          case .write, .cas, .delete:
            seen.note(source, operation, start: operation.startNanoseconds)
          case .read where !seen.isEmpty:
            findings.examined += 1
            if let older = older(source, than: seen, key) {
              findings.violated(
                sessionWitness(key, source, after: older, "wrote it earlier, acknowledged"))
            }
          default: break
          }
        }
      }
    }
    return findings.verdict(
      "read your writes", method: "counting", what: "reads after own writes",
      fault: "showed less than the process had written")
  }

  /// The writes of a process have higher indexes than what it read and wrote before (monotonic
  /// writes, and writes follow reads); told by indexes alone.
  package func writesInOrder() -> Verdict {
    var findings = Findings()
    for key in keys where key.isRegister {
      for own in byProcess(key.operations) {
        var highest: (index: UInt64, source: Int)?
        for source in own where history[source].outcome == .ok {
          guard let index = history[source].index else { continue }
          if history[source].kind != .read, let highest {
            findings.examined += 1
            if index < highest.index {
              findings.violated(
                sessionWitness(
                  key, source, after: highest.source, "had seen a higher index before"))
            }
          }
          if highest.map({ $0.index < index }) ?? true { highest = (index, source) }
        }
      }
    }
    return findings.verdict(
      "writes in session order", method: "counting", what: "writes with an index",
      fault: "came before what the process had seen or written")
  }

  /// The newest that a session has seen of a key.
  private struct Seen {
    private(set) var index: (highest: UInt64, source: Int)?
    private(set) var write: (start: UInt64, source: Int)?

    var isEmpty: Bool { index == nil && write == nil }

    mutating func note(_ source: Int, _ operation: HistoryOperation, start: UInt64?) {
      if let given = operation.index, index.map({ $0.highest < given }) ?? true {
        index = (given, source)
      }
      if let start, write.map({ $0.start < start }) ?? true { write = (start, source) }
    }
  }

  /// What was seen before and is newer than what this read shows.
  private func older(_ read: Int, than seen: Seen, _ key: PromiseKey) -> Int? {
    let operation = history[read]
    if let index = operation.index, let highest = seen.index, index < highest.highest {
      return highest.source
    }
    let end = operation.endNanoseconds ?? UInt64.max
    if let newest = seen.write, let shown = key.lastWrite(of: operation.value, by: end),
      shown.end < newest.start
    {
      return newest.source
    }
    return nil
  }

  /// Each process's own, by start.
  func byProcess(_ sources: [Int]) -> [[Int]] {
    var own: [Int: [Int]] = [:]
    for source in sources { own[history[source].process, default: []].append(source) }
    return own.sorted { $0.key < $1.key }.map(\.value)
  }

  private func sessionWitness(
    _ key: PromiseKey, _ source: Int, after earlier: Int, _ why: String
  ) -> Witness {
    // The writes of both values say which is the newer one.
    let operation = history[source]
    let end = operation.endNanoseconds ?? UInt64.max
    let shown = key.lastWrite(of: operation.value, by: end)
    let newer =
      history[earlier].kind == .read
      ? key.lastWrite(
        of: history[earlier].value, by: history[earlier].endNanoseconds ?? UInt64.max) : nil
    return witness(key.key, [source, earlier, shown?.source ?? -1, newer?.source ?? -1]) { names in
      var sentences = [
        "process \(operation.process) did \(names[source] ?? "") after"
          + " \(names[earlier] ?? ""): it \(why)."
      ]
      if let index = operation.index, let before = history[earlier].index, index < before {
        sentences.append("The later one has index \(index), the earlier one \(before).")
      } else if let shown {
        sentences.append("What it shows is of \(names[shown.source] ?? ""), which had ended.")
      }
      return sentences
    }
  }
}
