package import KVBase
package import KVWire

/// What the nodes at the endpoints said of themselves where none has a cluster map: the cluster is
/// not formed yet, or can't be reached.
package struct EndpointStatus: Sendable {
  package struct Row: Sendable {
    package var address: String
    /// `nil`: nobody answered, for this reason.
    package var report: NodeReport?
    package var problem: String

    package init(address: String, report: NodeReport?, problem: String = "") {
      self.address = address
      self.report = report
      self.problem = problem
    }

    package var state: String { report == nil ? "down" : "starting" }

    /// Why it is so.
    package var reason: String {
      guard let report else { return problem }
      return report.waitsFor.isEmpty ? "it has no map of the cluster" : report.waitsFor
    }
  }

  package var rows: [Row]

  package init(rows: [Row]) { self.rows = rows }

  /// Somebody answered, so that there is something to show.
  package var hasAnswer: Bool { rows.contains { $0.report != nil } }

  package func text() -> String {
    var table = Table([.left("ID"), .elastic("ADDRESS"), .left("STATE")])
    var lines = ["", "No node serves: the cluster is not formed yet."]
    for row in rows {
      let id = row.report.map { "\($0.node)" } ?? "-"
      table.add([id, row.address, row.state])
      let name = row.report.map { "\($0.node): " } ?? ""
      lines += TextLayout.wrapped(name + row.reason, width: 80)
    }
    return table.text() + lines.joined(separator: "\n") + "\n"
  }

  package func json() -> JSON {
    let nodes = rows.map { row -> JSON in
      .object([
        "id": row.report.map { .unsigned(UInt64($0.node.rawValue)) } ?? .null,
        "address": .text(row.address), "state": .text(row.state), "reason": .text(row.reason),
      ])
    }
    return .object(["cluster": .null, "nodes": .array(nodes)])
  }
}
