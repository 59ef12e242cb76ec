internal import JepsenHistory
import KVBase
import KVNodeCore

/// What watches a run from outside: the log of its events, the counters, and the checks with what
/// they have found.
struct Observer {
  private static let maximumViolations = 64

  private(set) var trace: Trace
  private(set) var violations: [Violation] = []
  var counts = SimulationCounts()
  var raft: RaftChecks
  var effects: EffectChecks
  var states = StateChecks()
  var staleness: StalenessChecks

  init(_ options: SimulationOptions) {
    trace = Trace(keepsText: options.keepsTrace)
    raft = RaftChecks(nodes: options.profile.nodes, groups: options.profile.groups)
    effects = EffectChecks(groups: options.profile.groups)
    staleness = StalenessChecks(
      groups: options.profile.groups,
      clockBoundPartsPerMillion: options.profile.clockBoundPartsPerMillion)
  }

  mutating func record(
    _ time: UInt64, _ a: UInt64, _ b: UInt64, _ c: UInt64, _ text: @autoclosure () -> String
  ) {
    trace.record(time, a, b, c, text())
  }

  mutating func violate(
    _ check: Check, _ what: String, witness: Witness? = nil, at time: UInt64
  ) {
    trace.record(time, 99, 0, 0, "VIOLATION of \(check.rawValue): \(what)")
    guard violations.count < Self.maximumViolations else { return }
    violations.append(
      Violation(timeNanoseconds: time, check: check, what: what, witness: witness))
  }

  /// Makes violations of what the checks have found since the last call.
  mutating func collectFindings(at time: UInt64) {
    if raft.hasFound {
      for (check, what) in raft.removeFindings() { violate(check, what, at: time) }
    }
    if effects.hasFound {
      for (check, what) in effects.removeFindings() { violate(check, what, at: time) }
    }
    if states.hasFound {
      for (check, what) in states.removeFindings() { violate(check, what, at: time) }
    }
    if staleness.hasFound {
      for (check, what) in staleness.removeFindings() { violate(check, what, at: time) }
    }
  }
}
