import KVBase

/// A fault that was carried out: to whom, why to these, and what shows that it had an effect.
package struct InjectedFault: Hashable, Sendable, CustomStringConvertible {
  package var kind: FaultKind
  package var startNanoseconds: UInt64
  /// Nodes, counted from 0; empty where nothing was done.
  package var victims: [Int]
  package var reason: String
  package var proof: String
  package var didBite: Bool

  package var description: String {
    let names = victims.map { "n\($0 + 1)" }.joined(separator: ", ")
    return "\(Trace.stamp(startNanoseconds)) \(kind.rawValue) of "
      + (names.isEmpty ? "nobody" : names) + " (\(reason)): "
      + (didBite ? "" : "MISSED: ") + proof
  }
}

/// A fault at work: what it needs for its end, and for the proof that it bit.
struct ActiveFault {
  var startNanoseconds: UInt64 = 0
  /// Whom it was done to, and why to these.
  var victims: [Int] = []
  var reason = "drawn from the seed"
  /// What its end must start or resume.
  var nodes: [Int] = []
  var blocked: [(from: Int, to: Int)] = []
  /// Every link that it has touched.
  var links: [(from: Int, to: Int)] = []
  /// Processes that it ends: each in the life that it had.
  var ended: [SimulatedNode.Life] = []
  /// Connections that it broke, or left half open.
  var connections = 0
  /// What its own links, disk or frames had seen when it began.
  var before: UInt64 = 0
  var didBite = false
}
