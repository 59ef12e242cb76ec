/// Rows in aligned columns of at most 80 columns in all, without trailing spaces.
package struct Table: Sendable {
  package struct Column: Sendable {
    var title: String
    var isRight: Bool
    /// It is cut where the table is too wide; the others never are.
    var isElastic: Bool

    package static func left(_ title: String) -> Column {
      Column(title: title, isRight: false, isElastic: false)
    }
    package static func right(_ title: String) -> Column {
      Column(title: title, isRight: true, isElastic: false)
    }
    package static func elastic(_ title: String) -> Column {
      Column(title: title, isRight: false, isElastic: true)
    }
  }

  package var columns: [Column]
  package private(set) var rows: [[String]] = []
  package var width = 80

  package init(_ columns: [Column]) { self.columns = columns }

  package mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "\(cells.count) cells, \(columns.count) columns")
    rows.append(cells.map { cell in String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 }) })
  }

  package func text() -> String {
    var widths = columns.map(\.title.count)
    for row in rows {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    shrink(&widths)
    var lines = [line(columns.map(\.title), widths)]
    for row in rows { lines.append(line(row, widths)) }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Takes what is too much from the widest elastic columns first, down to 8 columns each.
  private func shrink(_ widths: inout [Int]) {
    var excess = widths.reduce(0, +) + 2 * (columns.count - 1) - width
    while excess > 0 {
      let candidates = columns.indices.filter { columns[$0].isElastic && widths[$0] > 8 }
      guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
      widths[widest] -= 1
      excess -= 1
    }
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var parts: [String] = []
    for (index, cell) in cells.enumerated() {
      var shown = cell
      if cell.count > widths[index] { shown = String(cell.prefix(widths[index] - 1)) + "…" }
      let padding = String(repeating: " ", count: widths[index] - shown.count)
      parts.append(columns[index].isRight ? padding + shown : shown + padding)
    }
    return TextLayout.trimmed(parts.joined(separator: "  "))
  }
}
