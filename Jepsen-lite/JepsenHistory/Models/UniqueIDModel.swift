/// Ids that are handed out at most once.
///
/// Fields: `generate` has the id in `value`; keys make no difference.
enum UniqueIDModel {
  static let name = "uniqueness of ids"

  static func check(_ history: [HistoryOperation]) -> Verdict {
    var known: [HistoryValue: Int] = [:]
    for place in history.indices where history[place].kind == .generate {
      guard history[place].outcome == .ok, let id = history[place].value else { continue }
      if let first = known.updateValue(place, forKey: id) {
        return ModelOutcome.verdict(
          name, history, key: history[place].key,
          ModelFinding(
            text: "the id \(id.json) was handed out twice, to processes "
              + "\(history[first].process) and \(history[place].process)",
            operations: [first, place]), "counting")
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
