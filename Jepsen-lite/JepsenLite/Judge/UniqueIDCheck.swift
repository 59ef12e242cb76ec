internal import JepsenHistory

/// No id is handed out twice.
enum UniqueIDCheck {
  private struct ID: Hashable {
    var key: String
    var value: HistoryValue
  }

  static func verdict(_ history: [HistoryOperation]) -> Verdict {
    let name = "ids are unique"
    var first: [ID: Int] = [:]
    for (place, operation) in history.enumerated()
    where operation.kind == .generate && operation.outcome == .ok {
      guard let value = operation.value else {
        return Verdict(
          name, .violated, method: "counting", text: "an id was generated that is none",
          witness: Witness(
            key: operation.key, operations: [operation],
            explanation: ["The call was answered as done, and without an id."]))
      }
      if let other = first.updateValue(place, forKey: ID(key: operation.key, value: value)) {
        return Verdict(
          name, .violated, method: "counting",
          text: "the id \(value.json) of \(operation.key) was handed out twice",
          witness: Witness(
            key: operation.key, operations: [history[other], operation],
            explanation: ["Both were answered with the same id."]))
      }
    }
    return Verdict(
      name, .passed, method: "counting", text: "\(first.count) ids, each handed out once")
  }
}
