internal import KVBase

/// Keys that are in use at a time: one that was used often enough gives way to a new one, so that
/// no record and no history of a key grows without bound.
final class KeyWheel: Sendable {
  private struct State: Sendable {
    var numbers: [Int]
    var uses: [Int]
    var next: Int
  }

  private let prefix: String
  private let usesPerKey: Int
  private let state: Locked<State>

  init(_ prefix: String, keys: Int, usesPerKey: Int) {
    self.prefix = prefix
    self.usesPerKey = usesPerKey
    state = Locked(
      State(numbers: Array(0..<keys), uses: [Int](repeating: 0, count: keys), next: keys))
  }

  /// A key in use.
  func pick(_ random: inout SeededRandom) -> String {
    let (number, count) = state.withLock { ($0.numbers, $0.numbers.count) }
    return "\(prefix)-\(number[Int(random.below(UInt64(count)))])"
  }

  /// A key in use, of which one more use is counted.
  func use(_ random: inout SeededRandom) -> String {
    let drawn = random.next()
    let number = state.withLock { state in
      let position = Int(drawn % UInt64(state.numbers.count))
      let number = state.numbers[position]
      state.uses[position] += 1
      if state.uses[position] >= usesPerKey {
        state.numbers[position] = state.next
        state.uses[position] = 0
        state.next += 1
      }
      return number
    }
    return "\(prefix)-\(number)"
  }

  /// Every key that ever was in use.
  var all: [String] { state.withLock { (0..<$0.next).map { "\(prefix)-\($0)" } } }
}
