package import KVBase
package import KVCommand
package import KVWire

/// What all nodes said of themselves, for a person or a program.
package struct ClusterStatus: Sendable {
  package struct Row: Sendable {
    package var node: MemberRecord
    /// `nil`: it did not answer, for this reason.
    package var report: NodeReport?
    package var problem: String

    package init(node: MemberRecord, report: NodeReport?, problem: String = "") {
      self.node = node
      self.report = report
      self.problem = problem
    }
  }

  package var view: ClusterView
  package var rows: [Row]

  package init(view: ClusterView, rows: [Row]) {
    self.view = view
    self.rows = rows
  }

  // MARK: Figures

  /// By group: the node that leads in the highest term that was reported.
  package var leaders: [NodeID?] {
    var found = [(term: Term, node: NodeID)?](repeating: nil, count: view.leaders.count)
    for row in rows {
      for group in row.report?.groups ?? [] where group.role == .leader {
        let index = Int(group.group.rawValue)
        guard index < found.count else { continue }
        if found[index].map({ $0.term < group.term }) ?? true {
          found[index] = (group.term, row.node.node)
        }
      }
    }
    return found.map { $0?.node }
  }

  /// By group: the highest index that some node knows to be committed.
  private var commits: [LogIndex] {
    var found = [LogIndex](repeating: .zero, count: view.leaders.count)
    for row in rows {
      for group in row.report?.groups ?? [] where Int(group.group.rawValue) < found.count {
        found[Int(group.group.rawValue)] = max(found[Int(group.group.rawValue)], group.commit)
      }
    }
    return found
  }

  /// How many entries the node's slowest group is behind.
  private func lag(_ report: NodeReport, _ commits: [LogIndex]) -> Int {
    report.groups.map { group in
      let index = Int(group.group.rawValue)
      return index < commits.count ? max(0, commits[index] - group.applied) : 0
    }.max() ?? 0
  }

  /// Since when the other nodes miss one: the shortest time, since one may never have met it.
  private func lastSeen(_ node: NodeID) -> String {
    var shortest: (by: NodeID, milliseconds: UInt64)?
    for row in rows {
      for peer in row.report?.peers ?? [] where peer.node == node && !peer.isConnected {
        if shortest.map({ peer.sinceMilliseconds < $0.milliseconds }) ?? true {
          shortest = (row.node.node, peer.sinceMilliseconds)
        }
      }
    }
    return shortest.map {
      " (\($0.by) lost it \(Measure.show(milliseconds: $0.milliseconds)) ago)"
    } ?? ""
  }

  private func state(_ row: Row) -> String {
    guard let report = row.report else { return "down" }
    if report.groups.isEmpty { return "starting" }
    return report.groups.contains { $0.leader.rawValue == 0 } ? "waits" : "up"
  }

  /// Copies of each partition.
  private var replication: Int { view.map.replicaSets.last?.voters.count ?? 0 }

  // MARK: Text

  /// One line a node, then what there is to say of the whole.
  package func text() -> String {
    var table = Table([
      .left("ID"), .elastic("ADDRESS"), .left("STATE"), .right("LEADS"), .right("GROUPS"),
      .right("LAG"), .right("LOG"), .right("DATA"), .right("UPTIME"), .elastic("VERSION"),
    ])
    let leaders = self.leaders
    let commits = self.commits
    for row in rows {
      guard let report = row.report else {
        table.add(
          ["\(row.node.node)", row.node.address, "down"] + Array(repeating: "-", count: 7))
        continue
      }
      table.add([
        "\(row.node.node)", row.node.address, state(row),
        "\(leaders.count { $0 == row.node.node })", "\(report.groups.count)",
        "\(lag(report, commits))", Measure.short(bytes: report.logBytes),
        // Measured now and then: none yet.
        report.stateBytes == 0 ? "-" : Measure.short(bytes: report.stateBytes),
        Measure.short(milliseconds: report.uptimeMilliseconds), report.version,
      ])
    }
    var lines = [""]
    lines += TextLayout.wrapped(summary, width: 80)
    for row in rows {
      if let report = row.report {
        guard !report.waitsFor.isEmpty else { continue }
        lines += TextLayout.wrapped("\(row.node.node): \(report.waitsFor)", width: 80)
      } else {
        lines += TextLayout.wrapped(row.problem + lastSeen(row.node.node), width: 80)
      }
    }
    return table.text() + lines.joined(separator: "\n") + "\n"
  }

  /// One sentence for the cluster as a whole.
  package var summary: String {
    let leaders = self.leaders
    let keyspaces = view.map.keyspaces.count
    var text =
      "\(keyspaces) keyspace\(keyspaces == 1 ? "" : "s"), \(view.map.partitions) partitions,"
      + " replication \(replication), map \(view.map.epoch)."
    let shares = view.map.members.map { node in
      "\(node.node) leads \(leaders.count { $0 == node.node })"
    }
    text += " " + shares.joined(separator: ", ") + "; "
    let without = leaders.indices.filter { leaders[$0] == nil }
    switch without.count {
    case 0: text += "every group has a leader."
    case leaders.count: text += "no group has a leader."
    default:
      var names = without.prefix(8).map { $0 == 0 ? "meta" : "\($0 - 1)" }
      if without.count > 8 { names.append("…") }
      let list = names.joined(separator: ", ")
      text += "\(without.count) of \(leaders.count) groups have no leader (\(list))."
    }
    return text
  }

  // MARK: JSON

  package func json() -> JSON {
    let leaders = self.leaders
    let commits = self.commits
    let nodes = rows.map { row -> JSON in
      var members: [JSON.Member] = [
        .init("id", .unsigned(UInt64(row.node.node.rawValue))),
        .init("address", .text(row.node.address)), .init("zone", .text(row.node.zone)),
        .init("state", .text(state(row))),
        .init("leads", .integer(Int64(leaders.count { $0 == row.node.node }))),
      ]
      guard let report = row.report else {
        members.append(.init("problem", .text(row.problem)))
        return .object(members)
      }
      members += [
        .init("groups", .integer(Int64(report.groups.count))),
        .init("lag", .integer(Int64(lag(report, commits)))),
        .init("log_bytes", .unsigned(report.logBytes)),
        .init("state_bytes", report.stateBytes == 0 ? .null : .unsigned(report.stateBytes)),
        .init("client_connections", .unsigned(UInt64(report.clientConnections))),
        .init("uptime_ms", .unsigned(report.uptimeMilliseconds)),
        .init("version", .text(report.version)),
      ]
      if !report.waitsFor.isEmpty { members.append(.init("waits_for", .text(report.waitsFor))) }
      return .object(members)
    }
    return .object([
      "cluster": .text(String(view.map.clusterID, radix: 16)),
      "epoch": .unsigned(view.map.epoch.rawValue),
      "keyspaces": .integer(Int64(view.map.keyspaces.count)),
      "partitions": .integer(Int64(view.map.partitions)),
      "replication": .integer(Int64(replication)),
      "groups_without_leader": .integer(Int64(leaders.count { $0 == nil })),
      "nodes": .array(nodes),
    ])
  }
}
