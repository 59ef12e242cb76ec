@testable import JepsenHistory

/// What OwnTimeWitness says of the parts of a register or a counter, put together anew and decided
/// by another search.
struct DumbOwnTime {
  var steps: [LinearizabilityStep]
  var starts: [Int64]

  /// `nil`: too many ways.
  func isViolated(keeping kept: [Int], isFromAnyState: Bool) -> Bool? {
    let isKept = Set(kept)
    let from = kept.map { steps[$0].start }.min() ?? 0
    let last = kept.map { steps[$0].end ?? 0 }.max() ?? 0
    var items: [WitnessSearch.Item] = []
    for (position, step) in steps.enumerated() {
      if isKept.contains(position) {
        items.append(.init(step: step, end: step.end, mayBeLeftOut: step.end == nil))
        continue
      }
      if isFromAnyState && step.end ?? .max < from || step.start > last { continue }
      var optional = step
      switch step.action {
      case .read, .differs: continue
      case .write(let value), .compareAndSet(_, let value): optional.action = .write(value)
      case .add(let delta), .addGiving(let delta, _): optional.action = .add(delta)
      }
      items.append(.init(step: optional, end: step.end, mayBeLeftOut: true))
    }
    for start in isFromAnyState ? starts : [0] {
      switch WitnessSearch.isLinearizable(items, initial: start, maximumConfigurations: 200_000) {
      case true?: return false
      case false?: continue
      case nil: return nil
      }
    }
    return true
  }
}
