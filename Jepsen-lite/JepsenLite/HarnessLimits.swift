internal import KVBase

/// Time-outs and intervals of the harness that are no options. A time-out of a request makes its
/// outcome unknown; one of a wait makes the run invalid, or a violation where the wait says so.
enum HarnessLimits {
  /// A process that was told to end, or is expected to, and has not: it is killed, and where it
  /// should have ended by itself that is a finding.
  static let processEnd: Duration = .seconds(10)
  /// How often a process is asked whether it has ended.
  static let processPoll: Duration = .milliseconds(1)
  /// A node that does not say how it is within this counts as silent.
  static let report: TimeAmount = .seconds(1)
  /// The same while a nemesis waits for the answer to choose its target.
  static let quickReport: TimeAmount = .milliseconds(700)
  /// All replicas must hold the same this long after the faults have ended.
  static let convergence: Duration = .seconds(20)
  /// How often nodes are asked again while the harness waits for a state of theirs.
  static let poll: Duration = .milliseconds(50)
  static let convergencePoll: Duration = .milliseconds(100)
  /// A cluster that has restarted must serve, be led and be balanced within this.
  static let recovery: Duration = .seconds(60)
}
