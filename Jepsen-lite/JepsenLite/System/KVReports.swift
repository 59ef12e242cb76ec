internal import KVBase
internal import KVWire

/// What several nodes said of themselves at about the same time.
struct KVReports {
  private let reports: [NodeReport]
  /// How many copies of each group there must be; 0: not known.
  private let expectedCopies: Int
  /// By group, in order: what each node that has a copy says.
  private let groups: [(group: GroupID, copies: [(node: NodeID, state: NodeReport.Group)])]

  init(_ reports: [NodeReport], copies expected: Int = 0) {
    self.reports = reports
    expectedCopies = expected
    var copies: [GroupID: [(node: NodeID, state: NodeReport.Group)]] = [:]
    for report in reports {
      for group in report.groups { copies[group.group, default: []].append((report.node, group)) }
    }
    groups = copies.keys.sorted().map { ($0, copies[$0] ?? []) }
  }

  /// What is not well with the leaders; `nil`: each group has one, and all copies know it.
  var leaderTrouble: String? {
    if groups.isEmpty { return "no node has said what it holds" }
    for (group, copies) in groups {
      let leaders = copies.filter { $0.state.role == .leader }
      guard leaders.count == 1 else {
        return "group \(group.rawValue) has \(leaders.count) leaders"
      }
      for copy in copies where copy.state.leader != leaders[0].node {
        return "node \(copy.node.rawValue) does not know that node \(leaders[0].node.rawValue) "
          + "leads group \(group.rawValue)"
      }
    }
    return nil
  }

  /// By group: the furthest commit that a leader speaks of.
  var committed: [GroupID: LogIndex] {
    var found: [GroupID: LogIndex] = [:]
    for (group, copies) in groups {
      found[group] = copies.filter { $0.state.role == .leader }.map(\.state.commit).max()
    }
    return found
  }

  /// Every copy of a group has applied the same entries.
  var hasConverged: Bool {
    missing == nil
      && groups.allSatisfy { _, copies in
        copies.allSatisfy {
          $0.state.applied == copies[0].state.applied && $0.state.digest == copies[0].state.digest
        }
      }
  }

  /// Two copies have applied equally many entries, but not the same ones: no waiting mends that.
  var hasUnequalDigests: Bool { unequal != nil }

  private var unequal: String? {
    for (group, copies) in groups {
      for copy in copies.dropFirst() {
        for other in copies
        where other.state.applied == copy.state.applied && other.state.digest != copy.state.digest {
          return "nodes \(other.node.rawValue) and \(copy.node.rawValue) have both applied "
            + "\(copy.state.applied.rawValue) entries of group \(group.rawValue), "
            + "and not the same ones"
        }
      }
    }
    return nil
  }

  /// A group that lacks a copy.
  private var missing: String? {
    if groups.isEmpty { return "no node has said what it holds" }
    let short = groups.first { $0.copies.count < expectedCopies }
    return short.map {
      "group \($0.group.rawValue) has \($0.copies.count) of \(expectedCopies) copies: on "
        + $0.copies.map { "n\($0.node.rawValue)" }.joined(separator: ", ")
    }
  }

  var convergence: Inspection {
    let name = "all replicas equal"
    if let missing { return Inspection(name, isGood: false, text: missing) }
    if let unequal { return Inspection(name, isGood: false, text: unequal) }
    for (group, copies) in groups
    where !copies.allSatisfy({ $0.state.applied == copies[0].state.applied }) {
      let applied = copies.map { "n\($0.node.rawValue): \($0.state.applied.rawValue)" }
      return Inspection(
        name, isGood: false,
        text: "the copies of group \(group.rawValue) did not catch up with each other: "
          + applied.joined(separator: ", "))
    }
    let entries = groups.reduce(UInt64(0)) { $0 + ($1.copies.first?.state.applied.rawValue ?? 0) }
    return Inspection(
      name, isGood: true,
      text: "\(reports.count) nodes, \(groups.count) groups, \(entries) entries: each copy has "
        + "applied the same ones, by their digest")
  }

  var agreement: Inspection {
    let trouble = leaderTrouble
    return Inspection(
      "all replicas know one leader", isGood: trouble == nil,
      text: trouble ?? "\(groups.count) groups, each with one leader that its copies name")
  }
}
