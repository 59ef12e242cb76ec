/// Reduces a violation that the searches have found, for any model.
///
/// To keep an operation is to know all of it. To drop an observation is to know less. A dropped
/// update is one that may have happened while it was under way, or not at all, and what it found is
/// forgotten. So an order of the whole is one of any part, and of a part also one of less.
///
/// From any state: what had ended before the first of those kept began is not known, and may have
/// left any effect. An order of the whole, from there on, is one of that too.
struct OwnTimeWitness<Model: SearchModel> {
  struct Bounds {
    var stepsOfCheck = 100_000
    var steps = 6_000_000
    var deadline = Deadline(nil)
    var bytes = 64 << 20

    /// A few seconds, or as many steps.
    init(_ bounds: LinearizabilityChecker.Bounds) {
      bytes = min(bytes, bounds.bytes)
      if bounds.seconds != nil { deadline = Deadline(3) }
    }
  }

  struct Reduced {
    /// Rising.
    var positions: [Int]
    var isIrreducible: Bool
    var isFromAnyState: Bool
  }

  var input: [SearchSpace.Input]
  let model: Model
  let initial: [Int64]
  /// By action: that of the update when it is dropped; `nil` for an observation.
  let dropped: [Int32?]
  /// All states, and maybe more, from which a part could be explained; `nil`: too many.
  let freeStarts: ([SearchSpace.Input]) -> [Int64]?
  let bounds: Bounds
  /// Parts to try first, from any state, given where the search got stuck.
  var seeds: (_ stuckAt: Int) -> [[Int]] = { _ in [] }
  /// Whether a part is surely violated, by a quicker way than a search.
  var isSurelyViolated: (_ part: [SearchSpace.Input], _ isFromAnyState: Bool) -> Bool = {
    _, _ in false
  }
  /// What the model knows where only a part is known.
  var modelOf: (_ part: [SearchSpace.Input]) -> Model

  private func end(_ position: Int) -> UInt64 { input[position].end ?? .max }

  /// Looks near the return at which the search got stuck first, and at ever more before it.
  ///
  /// An update that found something, and had not returned by then, may have happened.
  func reduce(stuckAt: Int) -> Reduced? {
    let horizon = end(stuckAt)
    var open = self
    for position in input.indices where input[position].start <= horizon && end(position) > horizon
    {
      let action = Int(input[position].action)
      if !model.isObservation(action) && model.needed(by: action) != nil {
        open.input[position].end = nil
      }
    }
    return open.reduce(stuckAt, horizon)
  }

  private func reduce(_ stuckAt: Int, _ horizon: UInt64) -> Reduced? {
    let begun = input.indices.filter { input[$0].start <= horizon }.sorted {
      input[$0].start != input[$1].start ? input[$0].start < input[$1].start : $0 < $1
    }
    // What had not returned by then need not be explained, and no later help for it is known.
    let returned = begun.filter { input[$0].end.map { $0 <= horizon } ?? true }
    var work = 0
    if isSurelyViolated(part([stuckAt], begun, isFromAnyState: false), false) {
      return shrink([stuckAt], begun, isFromAnyState: false, &work)
    }
    for kept in seeds(stuckAt) where !bounds.deadline.isOver {
      let window = self.window(kept, Array(input.indices))
      if isViolated(kept, window, isFromAnyState: true, &work) == true {
        let found = shrink(kept, window, isFromAnyState: true, &work)
        if found.isIrreducible && found.positions.count <= Self.manyOperations { return found }
      }
    }
    var size = 8
    while size < returned.count && work < bounds.steps / 2 && !bounds.deadline.isOver {
      let kept = Array(returned.suffix(size))
      let window = self.window(kept, begun)
      if isViolated(kept, window, isFromAnyState: true, &work) == true {
        let found = shrink(kept, window, isFromAnyState: true, &work)
        if found.isIrreducible && found.positions.count <= Self.manyOperations { return found }
        let whole = fromStart(returned, begun, &work)
        guard let whole, whole.isIrreducible || !found.isIrreducible,
          whole.positions.count < found.positions.count
        else { return found }
        return whole
      }
      size *= 2
    }
    return fromStart(returned, begun, &work)
  }

  private static var manyOperations: Int { 20 }

  private func fromStart(_ returned: [Int], _ begun: [Int], _ work: inout Int) -> Reduced? {
    guard isViolated(returned, begun, isFromAnyState: false, &work) == true else { return nil }
    return shrink(returned, begun, isFromAnyState: false, &work)
  }

  /// What had not ended when the first of `kept` began.
  private func window(_ kept: [Int], _ begun: [Int]) -> [Int] {
    let from = kept.reduce(UInt64.max) { min($0, input[$1].start) }
    return begun.filter { end($0) >= from }
  }

  /// Observations first, while all updates are kept: optional ones cost the most.
  private func shrink(
    _ kept: [Int], _ window: [Int], isFromAnyState: Bool, _ work: inout Int
  ) -> Reduced {
    var kept = kept
    var reducer = WitnessReducer()
    var isSure = true
    for isObservation in [true, false] {
      let units = kept.filter { model.isObservation(Int(input[$0].action)) == isObservation }
      let told = reducer.drop(units[...], from: &kept) {
        isViolated($0, window, isFromAnyState: isFromAnyState, &work)
      }
      isSure = isSure && told
    }
    return Reduced(positions: kept.sorted(), isIrreducible: isSure, isFromAnyState: isFromAnyState)
  }

  /// The part that is left of `window` where `kept` is kept.
  func part(_ kept: [Int], _ window: [Int], isFromAnyState: Bool) -> [SearchSpace.Input] {
    let isKept = Set(kept)
    var horizon: UInt64 = 0
    var from = isFromAnyState ? UInt64.max : 0
    var needed: Set<Int64> = []
    var excludes = !model.namesStates
    for position in kept {
      let action = Int(input[position].action)
      horizon = max(horizon, input[position].end ?? 0)
      from = min(from, input[position].start)
      if let state = model.needed(by: action) { needed.insert(state) }
      if model.excluded(by: action) != nil { excludes = true }
    }
    var part: [SearchSpace.Input] = []
    for position in window {
      if isKept.contains(position) {
        part.append(input[position])
      } else if let action = dropped[Int(input[position].action)], input[position].start <= horizon,
        end(position) >= from
      {
        // Nothing here speaks of the state that it leads to.
        if !excludes, let state = model.produced(by: Int(action)), !needed.contains(state) {
          continue
        }
        var optional = input[position]
        optional.action = action
        optional.isOptional = true
        part.append(optional)
      }
    }
    return part
  }

  func isViolated(
    _ kept: [Int], _ window: [Int], isFromAnyState: Bool, _ work: inout Int
  ) -> Bool? {
    guard work < bounds.steps, !bounds.deadline.isOver else { return nil }
    let part = part(kept, window, isFromAnyState: isFromAnyState)
    work += window.count / 16 + part.count
    if isSurelyViolated(part, isFromAnyState) { return true }
    let model = modelOf(part)
    guard let starts = isFromAnyState ? freeStarts(part) : initial else { return nil }
    var search = RacedSearch(SearchSpace(part, model: model), model, initial: starts)
    // A large part is looked at in one step for each operation at least.
    let decision = search.run(
      steps: bounds.stepsOfCheck + 8 * part.count, maximumBytes: bounds.bytes)
    work += search.work
    return switch decision {
    case .decided(.violated, _): true
    case .decided(.linearizable, _): false
    case .decided(.outOfMemory, _), .outOfMemory, nil: nil
    }
  }
}
