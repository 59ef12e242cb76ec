/// How a search ended.
enum SearchEnd: Hashable, Sendable {
  case linearizable
  /// No order explains the operations that began before the return of this one.
  case violated(stuckAt: Int)
  /// The bound on its memory was reached.
  case outOfMemory
}

/// Just-in-time linearization: all configurations of one position, then all of the next. Needs
/// memory for two positions only, and says which return has no explanation.
struct BreadthFirstSearch<Model: SearchModel> {
  private var expansion: SearchExpansion<Model>
  private var frontier: ConfigurationStore
  private var next: ConfigurationStore
  private var at = 0
  private var base: [UInt64]
  private var made: [UInt64]
  private(set) var work = 0

  init(_ space: SearchSpace, _ model: Model, initial: [Int64]) {
    expansion = SearchExpansion(space, model)
    frontier = ConfigurationStore(space)
    next = frontier
    base = expansion.initial(0)
    made = base
    for state in initial { _ = frontier.insert(expansion.initial(state), work: &work) }
  }

  var position: Int { expansion.cursor.position }

  /// Goes on for about `steps` steps; `nil`: not done.
  mutating func run(steps: Int, maximumBytes: Int) -> SearchEnd? {
    let limit = work + steps
    let positions = expansion.space.returns.count
    while expansion.cursor.position < positions {
      while at < frontier.count {
        if work >= limit { return nil }
        if frontier.load(at, into: &base) { expand() }
        // A position with very many configurations must not outgrow the bound before it ends.
        if frontier.bytes + next.bytes > maximumBytes { return .outOfMemory }
        at += 1
      }
      if next.count == 0 {
        return .violated(stuckAt: Int(expansion.space.returns[expansion.cursor.position]))
      }
      swap(&frontier, &next)
      next.reset()
      at = 0
      expansion.cursor.move(to: expansion.cursor.position + 1, expansion.space)
    }
    return .linearizable
  }

  private mutating func expand() {
    work += 1
    expansion.observe(&base)
    if expansion.hasReturning(base) {
      expansion.pass(&base)
      _ = next.insert(base, work: &work)
      return
    }
    if expansion.mayHideReturning(base) {
      for word in base.indices { made[word] = base[word] }
      expansion.pass(&made)
      _ = next.insert(made, work: &work)
      if !expansion.isReturningOfUse(base) { return }
    }
    expansion.collect(base)
    for index in expansion.candidates.indices {
      work += 1
      guard expansion.apply(expansion.candidates[index], to: base, into: &made) else { continue }
      if expansion.hasReturning(made) {
        expansion.pass(&made)
        _ = next.insert(made, work: &work)
      } else {
        _ = frontier.insert(made, work: &work)
      }
    }
  }
}

/// Depth-first search with a memory of the configurations already met (Wing and Gong, 1993; Lowe,
/// 2017). Quick where there are many orders.
struct DepthFirstSearch<Model: SearchModel> {
  private var expansion: SearchExpansion<Model>
  private var seen: ConfigurationStore
  private var stack: [Int32] = []
  private var base: [UInt64]
  private var made: [UInt64]
  private(set) var work = 0
  private var deepest = 0

  init(_ space: SearchSpace, _ model: Model, initial: [Int64]) {
    expansion = SearchExpansion(space, model)
    seen = ConfigurationStore(space)
    base = expansion.initial(0)
    made = base
    for state in initial where seen.insert(expansion.initial(state), work: &work) {
      stack.append(Int32(seen.count - 1))
    }
  }

  mutating func run(steps: Int, maximumBytes: Int) -> SearchEnd? {
    let limit = work + steps
    let positions = expansion.space.returns.count
    while let index = stack.popLast() {
      if work >= limit {
        stack.append(index)
        return nil
      }
      if seen.bytes > maximumBytes { return .outOfMemory }
      work += 1
      guard seen.load(Int(index), into: &base) else { continue }
      let before = Int(base[1])
      if before == positions { return .linearizable }
      let distance = abs(before - expansion.cursor.position)
      work += distance / 16
      expansion.cursor.move(to: before, expansion.space)
      expansion.observe(&base)
      while expansion.hasReturning(base) {
        expansion.pass(&base)
        expansion.cursor.move(to: expansion.cursor.position + 1, expansion.space)
        if expansion.cursor.position == positions { return .linearizable }
        expansion.observe(&base)
      }
      deepest = max(deepest, expansion.cursor.position)
      if Int(base[1]) != before && !seen.insert(base, work: &work) { continue }
      expand()
    }
    if positions == 0 { return .linearizable }
    return .violated(stuckAt: Int(expansion.space.returns[deepest]))
  }

  private mutating func expand() {
    if expansion.mayHideReturning(base) {
      for word in base.indices { made[word] = base[word] }
      expansion.pass(&made)
      if seen.insert(made, work: &work) { stack.append(Int32(seen.count - 1)) }
      if !expansion.isReturningOfUse(base) { return }
    }
    expansion.collect(base)
    // The returning operation goes on the stack last, and so is tried first.
    for index in expansion.candidates.indices.reversed() {
      work += 1
      guard expansion.apply(expansion.candidates[index], to: base, into: &made),
        seen.insert(made, work: &work)
      else { continue }
      stack.append(Int32(seen.count - 1))
    }
  }
}

/// Both searches over one key, turn by turn: whichever ends first has decided.
struct RacedSearch<Model: SearchModel> {
  private var breadth: BreadthFirstSearch<Model>?
  private var depth: DepthFirstSearch<Model>?
  private(set) var work = 0

  init(_ space: SearchSpace, _ model: Model, initial: [Int64]) {
    breadth = BreadthFirstSearch(space, model, initial: initial)
    depth = DepthFirstSearch(space, model, initial: initial)
  }

  enum Decision: Hashable, Sendable {
    case decided(SearchEnd, method: String)
    case outOfMemory
  }

  /// Goes on for about `steps` steps; `nil`: not decided.
  mutating func run(steps: Int, maximumBytes: Int) -> Decision? {
    guard breadth != nil || depth != nil else { return .outOfMemory }
    let share = breadth != nil && depth != nil ? max(1, steps / 2) : steps
    if let (end, done) = Self.turn(
      &breadth, { $0.run(steps: share, maximumBytes: maximumBytes / 2) }, { $0.work })
    {
      work += done
      if let end { return .decided(end, method: "just-in-time linearization") }
    }
    if let (end, done) = Self.turn(
      &depth, { $0.run(steps: share, maximumBytes: maximumBytes / 2) }, { $0.work })
    {
      work += done
      if let end { return .decided(end, method: "depth-first search") }
    }
    return breadth == nil && depth == nil ? .outOfMemory : nil
  }

  private static func turn<Search>(
    _ search: inout Search?, _ run: (inout Search) -> SearchEnd?,
    _ work: (borrowing Search) -> Int
  ) -> (SearchEnd?, Int)? {
    guard var running = search.take() else { return nil }
    let before = work(running)
    let end = run(&running)
    let done = work(running) - before
    if end == .outOfMemory { return (nil, done) }
    search = consume running
    return (end, done)
  }
}
