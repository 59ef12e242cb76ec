import KVBase

@testable import JepsenHistory

/// Small histories of one register, as clients of a real one make them: a value of its own for each
/// write, deletes, compare-and-sets that expect the present value, the one before it, absent, or an
/// earlier one, and outcomes that stay unknown, where the operation takes effect in time, late, or
/// never. Half of the reads are then given an earlier value.
struct DeletingHistories {
  private enum Kind: Int, CaseIterable { case read, write, delete, cas, guess }

  private struct Call {
    var kind: Kind
    var start: UInt64
    var effect: UInt64
    /// `nil`: unknown outcome.
    var end: UInt64?
  }

  var random: SeededRandom

  mutating func next() -> [LinearizabilityStep] {
    let calls = makeCalls().sorted { $0.effect < $1.effect }
    var state: Int64 = 0
    var states = [state]
    var steps: [LinearizabilityStep] = []
    for (source, call) in calls.enumerated() {
      var action = action(call, state, states, fresh: Int64(source) + 1)
      if call.end != nil || random.chance(2, in: 3) {
        if let next = action.next(after: state) {
          state = next
        } else if case .compareAndSet(let expected, _) = action, call.end != nil {
          action = .differs(from: expected)
        }
      }
      states.append(state)
      steps.append(
        LinearizabilityStep(action: action, start: call.start, end: call.end, source: source))
    }
    steps.shuffle(using: &random)
    return steps
  }

  private mutating func makeCalls() -> [Call] {
    let reach = 2 + random.below(20)
    let unknown = random.below(6)
    var mix = [Kind.read, .write, .delete, .cas, .guess]
    for kind in Kind.allCases { mix += Array(repeating: kind, count: Int(random.below(4))) }
    return (0..<6 + random.below(5)).map { number in
      let moment = 40 + number * 4
      let kind = mix[Int(random.below(UInt64(mix.count)))]
      // A read without an answer says nothing.
      let isUnknown = kind != .read && random.below(10) < unknown
      let delay = isUnknown && random.chance(1, in: 2) ? random.below(30) : 0
      return Call(
        kind: kind, start: moment - random.below(reach), effect: moment + delay,
        end: isUnknown ? nil : moment + random.below(reach))
    }
  }

  private mutating func action(
    _ call: Call, _ state: Int64, _ states: [Int64], fresh: Int64
  ) -> LinearizabilityStep.Action {
    let earlier = states[Int(random.below(UInt64(states.count)))]
    switch call.kind {
    case .read: return .read(random.chance(1, in: 2) ? earlier : state)
    case .write: return .write(fresh)
    case .delete: return .write(0)
    case .cas: return .compareAndSet(expected: state, new: fresh)
    case .guess:
      let previous = states.last { $0 != state } ?? 0
      let expected = random.chance(1, in: 2) ? previous : random.chance(1, in: 2) ? 0 : earlier
      return .compareAndSet(expected: expected, new: fresh)
    }
  }
}
