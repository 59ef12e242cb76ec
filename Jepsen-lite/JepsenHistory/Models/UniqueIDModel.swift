/// Ids that are handed out at most once.
///
/// Fields: `generate` has the id in `value`; keys make no difference.
enum UniqueIDModel {
  static let name = "uniqueness of ids"

  static func check(_ history: [HistoryOperation]) -> Verdict {
    var known: [HistoryValue: Int] = [:]
    for position in history.indices where history[position].kind == .generate {
      guard history[position].outcome == .ok, let id = history[position].value else { continue }
      if let first = known.updateValue(position, forKey: id) {
        return ModelOutcome.verdict(
          name, history, key: history[position].key,
          ModelFinding(
            text: "the id \(id.json) was handed out twice, to processes "
              + "\(history[first].process) and \(history[position].process)",
            operations: [first, position]), "counting")
      }
    }
    guard !known.isEmpty else {
      return Verdict(
        name, .invalid, method: "counting", text: "No id was handed out, which proves nothing.")
    }
    return Verdict(
      name, .passed, method: "counting", text: "\(known.count) ids, none of them twice.")
  }
}
