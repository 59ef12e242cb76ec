/// Checks of promises that are weaker than linearizability, each near-linear in the history.
///
/// They count only what can be told for sure from real time: a check that finds a violation has a
/// witness of a few operations, and a check that finds none has not proven that there was none
/// where values repeat or outcomes are unknown. One that had nothing to look at is `invalid`.
package struct Promises: Sendable {
  let history: [HistoryOperation]
  let keys: [PromiseKey]

  /// `initial`: what every register held before the history began.
  package init(_ history: [HistoryOperation], initial: HistoryValue? = nil) {
    self.history = history
    keys = PromiseKey.split(history, initial: initial)
  }

  /// What a check has found so far.
  struct Findings {
    var examined = 0
    var violations = 0
    var witness: Witness?

    mutating func violated(_ witness: @autoclosure () -> Witness) {
      violations += 1
      if self.witness == nil { self.witness = witness() }
    }

    /// `what`: what was examined, in the plural: `reads`.
    func verdict(
      _ name: String, method: String, what: String, fault: String, more: String = ""
    ) -> Verdict {
      guard violations == 0 else {
        return Verdict(
          name, .violated, method: method,
          text: "\(violations) of \(examined) \(what) \(fault)\(more)", witness: witness)
      }
      guard examined > 0 else {
        return Verdict(
          name, .invalid, method: method, text: "there were no \(what) to examine\(more)")
      }
      return Verdict(
        name, .passed, method: method, text: "none of \(examined) \(what) \(fault)\(more)")
    }
  }

  /// A witness of operations given by their places in the history; -1 stands for what was there
  /// before. `explain` gets the number of each in the witness.
  func witness(
    _ key: String, _ sources: [Int], explain: ([Int: String]) -> [String]
  ) -> Witness {
    let positions = Set(sources).filter { $0 >= 0 }.sorted {
      let (first, second) = (history[$0].startNanoseconds, history[$1].startNanoseconds)
      return first != second ? first < second : $0 < $1
    }
    var names: [Int: String] = [-1: "the state before the history"]
    for (number, source) in positions.enumerated() {
      names[source] = "operation \(number + 1) (\(history[source].words))"
    }
    return Witness(key: key, operations: positions.map { history[$0] }, explanation: explain(names))
  }

  /// A read of something that a later write had replaced.
  func staleWitness(
    _ key: String, read: Int, old: PromiseKey.Write, new: PromiseKey.Write
  ) -> Witness {
    witness(key, [read, old.source, new.source]) { names in
      [
        "\(names[read] ?? "") shows what is of \(names[old.source] ?? "").",
        "\(names[new.source] ?? "") began after that had ended, and was acknowledged before the"
          + " read began.",
      ]
    }
  }

  func unwrittenWitness(_ key: String, read: Int) -> Witness {
    witness(key, [read]) { names in
      ["\(names[read] ?? "") shows a value that nobody had begun to write by its end."]
    }
  }
}
