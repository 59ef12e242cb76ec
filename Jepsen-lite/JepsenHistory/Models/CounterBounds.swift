/// A quick check of counters before the search.
///
/// Whatever is read lies between the sum that must be there (adds that ended before, and of those
/// that may be there all that subtract) and the sum that can be there. So does the sum that an add
/// answers with, itself included.
enum CounterBounds {
  /// The first step that breaks its bounds, with those that set the bound it breaks.
  static func violation(
    _ steps: [LinearizabilityStep], initial: Int64
  ) -> (step: Int, cause: [Int])? {
    /// Adds by start, and those with a known outcome by end, each with the sums up to it.
    var begun: [(time: UInt64, delta: Int64, step: Int)] = []
    var ended: [(time: UInt64, delta: Int64, step: Int)] = []
    for (number, step) in steps.enumerated() {
      let delta: Int64
      switch step.action {
      case .add(let amount), .addGiving(let amount, _): delta = amount
      default: continue
      }
      begun.append((step.start, delta, number))
      if let end = step.end { ended.append((end, delta, number)) }
    }
    begun.sort { ($0.time, $0.step) < ($1.time, $1.step) }
    ended.sort { ($0.time, $0.step) < ($1.time, $1.step) }
    let begunUp = sums(begun) { max($0, 0) }
    let begunDown = sums(begun) { min($0, 0) }
    let endedUp = sums(ended) { max($0, 0) }
    let endedDown = sums(ended) { min($0, 0) }
    for (number, step) in steps.enumerated() {
      guard let end = step.end else { continue }
      let seen: Int64
      switch step.action {
      case .read(let value): seen = value
      case .addGiving(_, let sum): seen = sum
      default: continue
      }
      let must = count(ended) { $0 < step.start }
      let may = count(begun) { $0 <= end }
      var low = Int128(initial) + endedUp[must] + begunDown[may]
      var high = Int128(initial) + endedDown[must] + begunUp[may]
      if case .addGiving(let delta, _) = step.action {
        // It is among those that may be there, and surely is.
        if delta > 0 { low += Int128(delta) } else { high += Int128(delta) }
      }
      // Beyond 64 bits a counter may start again from the other side: the search decides.
      guard low >= Int128(Int64.min), high <= Int128(Int64.max) else { continue }
      if Int128(seen) < low || Int128(seen) > high {
        let cause =
          Int128(seen) < low
          ? ended[..<must].filter { $0.delta > 0 } + begun[..<may].filter { $0.delta < 0 }
          : begun[..<may].filter { $0.delta > 0 } + ended[..<must].filter { $0.delta < 0 }
        return (number, Array(Set(cause.map(\.step) + [number])).sorted())
      }
    }
    return nil
  }

  private static func sums(
    _ adds: [(time: UInt64, delta: Int64, step: Int)], _ part: (Int64) -> Int64
  ) -> [Int128] {
    var sums: [Int128] = [0]
    sums.reserveCapacity(adds.count + 1)
    for add in adds { sums.append(sums[sums.count - 1] + Int128(part(add.delta))) }
    return sums
  }

  /// How many lie before the first time that isn't `isWithin`.
  private static func count(
    _ adds: [(time: UInt64, delta: Int64, step: Int)], _ isWithin: (UInt64) -> Bool
  ) -> Int {
    var low = 0
    var high = adds.count
    while low < high {
      let middle = (low + high) / 2
      if isWithin(adds[middle].time) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Whether some sum that was found can't be, given the start or the one found before it.
  /// `initial` is `nil` where it is not known.
  static func isBroken(
    in part: [SearchSpace.Input], _ model: StepModel, initial: Int64?
  ) -> Bool {
    let sums = part.filter { !$0.isOptional && model.needed(by: Int($0.action)) != nil }
      .sorted { $0.end ?? .max < $1.end ?? .max }
    guard sums.count <= manySums else { return false }
    for late in sums {
      guard let end = late.end, let found = model.needed(by: Int(late.action)) else { continue }
      if let initial {
        let (low, high) = added(in: part, model, after: nil, late, end)
        if found &- initial < low || found &- initial > high { return true }
      }
      for early in sums where early.end ?? .max < late.start {
        guard let before = model.needed(by: Int(early.action)) else { continue }
        let left = model.actions[Int(early.action)].next(after: before) ?? before
        let (low, high) = added(in: part, model, after: early, late, end)
        if found &- left < low || found &- left > high { return true }
      }
    }
    return false
  }

  private static let manySums = 6

  /// What can have been added after `early`, or at all, and before `late`.
  private static func added(
    in part: [SearchSpace.Input], _ model: StepModel, after early: SearchSpace.Input?,
    _ late: SearchSpace.Input, _ end: UInt64
  ) -> (low: Int64, high: Int64) {
    var (low, high): (Int64, Int64) = (0, 0)
    for input in part {
      let delta: Int64
      switch model.actions[Int(input.action)] {
      case .add(let amount): delta = amount
      case .addGiving(let amount, _):
        if isSame(input, late) || early.map({ isSame(input, $0) }) == true { continue }
        delta = amount
      default: continue
      }
      guard input.start <= end, input.end ?? .max >= early?.start ?? 0 else { continue }
      let isSure =
        !input.isOptional && input.end ?? .max < late.start
        && early.map { input.start > $0.end ?? .max } ?? true
      if isSure || delta < 0 { low &+= delta }
      if isSure || delta > 0 { high &+= delta }
    }
    return (low, high)
  }

  private static func isSame(_ one: SearchSpace.Input, _ other: SearchSpace.Input) -> Bool {
    one.action == other.action && one.start == other.start && one.end == other.end
  }
}
