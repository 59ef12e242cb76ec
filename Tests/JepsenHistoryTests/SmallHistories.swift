import KVBase

@testable import JepsenHistory

/// Decides tiny histories by trying all orders and all subsets of the unknown operations: right by
/// being dumb, quick by remembering which sets of operations and which value led nowhere.
struct BruteForce {
  private let steps: [LinearizabilityStep]
  private var failed: Set<UInt64> = []
  private let needed: UInt32

  init(_ steps: [LinearizabilityStep]) {
    precondition(steps.count <= 24, "\(steps.count) operations are too many")
    self.steps = steps
    needed = steps.indices.reduce(0) { steps[$1].end == nil ? $0 : $0 | 1 << UInt32($1) }
  }

  static func isLinearizable(_ steps: [LinearizabilityStep], initial: Int64 = 0) -> Bool {
    var search = BruteForce(steps)
    return search.go(0, initial)
  }

  private mutating func go(_ done: UInt32, _ state: Int64) -> Bool {
    if done & needed == needed { return true }
    let key = UInt64(done) << 32 | UInt64(UInt32(truncatingIfNeeded: state))
    if failed.contains(key) { return false }
    var horizon = UInt64.max
    for position in 0..<steps.count where done & (1 << UInt32(position)) == 0 {
      if let end = steps[position].end { horizon = min(horizon, end) }
    }
    for position in 0..<steps.count where done & (1 << UInt32(position)) == 0 {
      // Something that ended before this one began is not placed yet.
      if steps[position].start > horizon { continue }
      guard let next = steps[position].next(after: state) else { continue }
      if go(done | 1 << UInt32(position), next) { return true }
    }
    failed.insert(key)
    return false
  }
}

/// Makes small histories of a register with unique values.
struct SmallHistories {
  var random: SeededRandom
  var maximumOperations = 7

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func next() -> [LinearizabilityStep] {
    random.chance(1, in: 4) ? anything() : nearlyRight()
  }

  /// Times and values without any plan.
  private mutating func anything() -> [LinearizabilityStep] {
    let count = 2 + Int(random.below(UInt64(maximumOperations - 1)))
    let span = 2 + random.below(12)
    var steps: [LinearizabilityStep] = []
    var fresh: Int64 = 0
    let values = UInt64(1 + random.below(UInt64(count)))
    for source in 0..<count {
      let seen = Int64(random.below(values + 1))
      let action: LinearizabilityStep.Action
      switch random.below(5) {
      case 0: action = .read(seen)
      case 1: action = .differs(from: seen)
      case 2:
        fresh += 1
        action = .compareAndSet(expected: seen, new: fresh)
      default:
        fresh += 1
        action = .write(fresh)
      }
      let start = random.below(span)
      var end: UInt64? = start + random.below(span)
      switch action {
      case .write, .compareAndSet: if random.chance(1, in: 6) { end = nil }
      default: break
      }
      steps.append(LinearizabilityStep(action: action, start: start, end: end, source: source))
    }
    return steps
  }

  /// What a register did, then up to two small lies.
  private mutating func nearlyRight() -> [LinearizabilityStep] {
    let count = 2 + Int(random.below(UInt64(maximumOperations - 1)))
    let reach = 1 + random.below(8)
    var steps: [LinearizabilityStep] = []
    var state: Int64 = 0
    var fresh: Int64 = 0
    let values = UInt64(count)
    for source in 0..<count {
      let point = 10 + UInt64(source) * 2
      var isUnknown = random.chance(1, in: 7)
      let action: LinearizabilityStep.Action
      switch random.below(6) {
      case 0, 1:
        action = .read(state)
        isUnknown = false
      case 2, 3:
        let expected = random.chance(2, in: 3) ? state : Int64(random.below(values))
        if expected == state {
          fresh += 1
          action = .compareAndSet(expected: expected, new: fresh)
          if !isUnknown || random.chance(1, in: 2) { state = fresh }
        } else if isUnknown {
          fresh += 1
          action = .compareAndSet(expected: expected, new: fresh)
        } else {
          action = .differs(from: expected)
        }
      case 4 where random.chance(1, in: 2):
        let other = Int64(random.below(values))
        action = other == state ? .read(state) : .differs(from: other)
        isUnknown = false
      default:
        fresh += 1
        action = .write(fresh)
        if !isUnknown || random.chance(1, in: 2) { state = fresh }
      }
      let start = point - min(point, random.below(reach + 1))
      steps.append(
        LinearizabilityStep(
          action: action, start: start, end: isUnknown ? nil : point + random.below(reach + 1),
          source: source))
    }
    for _ in 0..<random.below(3) { perturb(&steps, values) }
    if random.chance(1, in: 2) { steps.shuffle(using: &random) }
    return steps
  }

  private mutating func perturb(_ steps: inout [LinearizabilityStep], _ values: UInt64) {
    let position = Int(random.below(UInt64(steps.count)))
    switch (steps[position].action, random.below(3)) {
    case (.read, 0): steps[position].action = .read(Int64(random.below(values)))
    case (.differs, 0): steps[position].action = .differs(from: Int64(random.below(values)))
    case (.read(let value), 1): steps[position].action = .differs(from: value)
    case (.differs(let value), 1): steps[position].action = .read(value)
    default:
      guard let end = steps[position].end else { return }
      let length = end - steps[position].start
      steps[position].start = random.below(12 + 2 * UInt64(steps.count))
      steps[position].end = steps[position].start + length
    }
  }
}
