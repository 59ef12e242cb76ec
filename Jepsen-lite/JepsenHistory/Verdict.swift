/// What a check says of a run or of a history.
package struct Verdict: Hashable, Sendable {
  package enum Status: String, Hashable, Sendable {
    case passed
    case violated
    /// The check was given up: nothing may be concluded.
    case unknown
    /// The run was no test: a fault did not bite, too little was done, it did not heal.
    case invalid
  }

  /// What was checked: `linearizability of registers`, `no acknowledged write lost`, `convergence`.
  package var name: String
  package var status: Status
  /// How it was decided: `zones`, `just-in-time search`, `depth-first search`, `counting`, ….
  package var method: String
  /// One or more sentences: what was found, with numbers.
  package var text: String
  /// Operations that no order explains, none of which can be left out.
  package var witness: Witness?

  package init(
    _ name: String, _ status: Status, method: String, text: String, witness: Witness? = nil
  ) {
    self.name = name
    self.status = status
    self.method = method
    self.text = text
    self.witness = witness
  }
}

/// Few operations that show a violation by themselves.
package struct Witness: Hashable, Sendable {
  package var key: String
  /// By their start.
  package var operations: [HistoryOperation]
  /// Why no order explains them, step by step, in plain sentences.
  package var explanation: [String]

  package init(key: String, operations: [HistoryOperation], explanation: [String]) {
    self.key = key
    self.operations = operations
    self.explanation = explanation
  }
}
