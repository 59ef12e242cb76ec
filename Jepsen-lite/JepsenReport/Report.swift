package import JepsenHistory

/// A run as a page, as text, and for programs.
package enum Report {
  /// One self-contained page.
  package static func html(_ run: RunRecord) -> String { Page(run).html }

  /// Plain text of at most 80 columns.
  package static func text(_ run: RunRecord) -> String { TextReport(run).text }

  /// One JSON object.
  package static func summaryJSON(_ run: RunRecord) -> String { Machines.summaryJSON(run) }

  /// JUnit XML: one test case a verdict.
  package static func junit(_ run: RunRecord) -> String { Machines.junit(run) }

  /// One row of a Markdown table that compares runs, and the table's head.
  package static func tableRow(_ run: RunRecord) -> String { TableRow.row(run) }
  package static var tableHead: String { TableRow.head }
}
