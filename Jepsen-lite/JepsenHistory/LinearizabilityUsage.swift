/// From when and until when states and operations with unknown outcomes can matter.
///
/// One that always leads to the same state v explains something only while an operation that needs
/// v is open, or one that depends on the state in another way. Outside of that time its class needs
/// no position in a configuration.
struct StateUsage {
  private(set) var classes: [SearchSpace.Class] = []
  private(set) var usefulUntil: [Int32]
  private(set) var mentionedUntil: [Int32] = []
  private(set) var excludedUntil: [Int32] = []

  /// By state: the first and the last position at which an operation that needs it is open.
  private var uses: [Int64: (first: Int, last: Int)] = [:]
  private var anyUse = (first: Int.max, last: -1)

  init<Model: SearchModel>(_ input: [SearchSpace.Input], _ timeline: Timeline, _ model: Model) {
    let count = Int(input.reduce(-1) { max($0, $1.action) }) + 1
    usefulUntil = Array(repeating: Int32.max, count: count)
    let positions = timeline.returns.count
    var numbers: [Int32: Int] = [:]
    for operation in timeline.calls where input[Int(operation)].end == nil {
      let action = Int(input[Int(operation)].action)
      let born = timeline.born[Int(operation)]
      if model.isObservation(action) || born >= positions { continue }
      if let number = numbers[Int32(action)] {
        classes[number].born.append(born)
      } else {
        numbers[Int32(action)] = classes.count
        classes.append(
          SearchSpace.Class(action: action, born: [born], first: Int(born), last: positions - 1))
      }
    }
    findUses(input, timeline, model)
    for action in 0..<count {
      if let state = model.produced(by: action) {
        let last = uses[state]?.last ?? -1
        usefulUntil[action] = Int32(model.namesStates ? last : max(last, anyUse.last))
      }
    }
    for number in classes.indices {
      guard let state = model.produced(by: classes[number].action) else { continue }
      let use = Self.widen(uses[state], anyUse.first, anyUse.last)
      classes[number].first = max(classes[number].first, use.first)
      classes[number].last = min(classes[number].last, use.last)
    }
    classes.removeAll { $0.first > $0.last }
    if model.namesStates { findMentions(input, timeline, model) }
  }

  private static func widen(
    _ use: (first: Int, last: Int)?, _ first: Int, _ last: Int
  ) -> (first: Int, last: Int) {
    (min(use?.first ?? Int.max, first), max(use?.last ?? -1, last))
  }

  private mutating func findUses<Model: SearchModel>(
    _ input: [SearchSpace.Input], _ timeline: Timeline, _ model: Model
  ) {
    for operation in timeline.returns {
      let action = Int(input[Int(operation)].action)
      let first = Int(timeline.born[Int(operation)])
      let last = Int(timeline.returnPosition[Int(operation)])
      if let state = model.needed(by: action) { uses[state] = Self.widen(uses[state], first, last) }
      if model.observesAny(action) { anyUse = Self.widen(anyUse, first, last) }
    }
    let produced = classes.map { model.produced(by: $0.action) }
    let needed = classes.map { model.needed(by: $0.action) }
    for (number, state) in needed.enumerated() {
      if let state { uses[state] = Self.widen(uses[state], classes[number].first, -1) }
    }
    // What an unknown cas needs is of use for as long as what it leads to is.
    var changed = true
    while changed {
      changed = false
      for number in classes.indices {
        guard let from = needed[number], let to = produced[number] else { continue }
        let last = max(uses[to]?.last ?? -1, anyUse.last)
        if last > uses[from]?.last ?? -1 {
          uses[from] = Self.widen(uses[from], classes[number].first, last)
          changed = true
        }
      }
    }
  }

  private mutating func findMentions<Model: SearchModel>(
    _ input: [SearchSpace.Input], _ timeline: Timeline, _ model: Model
  ) {
    func note(_ state: Int64, _ last: Int32) {
      while Int64(mentionedUntil.count) <= state {
        mentionedUntil.append(-1)
        excludedUntil.append(-1)
      }
      mentionedUntil[Int(state)] = max(mentionedUntil[Int(state)], last)
    }
    for action in 0..<usefulUntil.count {
      if let state = model.needed(by: action) { note(state, Int32(uses[state]?.last ?? -1)) }
    }
    for operation in timeline.returns {
      let action = Int(input[Int(operation)].action)
      if let state = model.excluded(by: action) {
        let last = timeline.returnPosition[Int(operation)]
        note(state, last)
        excludedUntil[Int(state)] = max(excludedUntil[Int(state)], last)
      }
    }
  }
}
