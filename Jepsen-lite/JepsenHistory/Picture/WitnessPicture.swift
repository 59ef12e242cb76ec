/// A witness for a terminal: when its operations ran, drawn in characters of ASCII.
///
/// ```
///  1  p0 write 1                      |----|
///  2  p1 write 2                                     |----|
///  3  p2 cas 2 -> 3 (outcome unknown)           |- - - - - - - - >
///  4  p3 read -> 1                                             |----|
/// ```
package enum WitnessPicture {
  /// Beyond so many operations the rest is counted only.
  private static let maximumRows = 60
  private static let leastColumns = 40
  /// In characters.
  private static let longestWord = 800

  /// The picture, `columns` wide at most, with a table of times below it and the explanation.
  package static func text(_ witness: Witness, columns: Int = 80) -> String {
    var lines = picture(witness, columns: columns)
    guard !lines.isEmpty else { return "" }
    lines.append(" (in order of time, not to scale; > has no known end)")
    lines.append("")
    lines += table(witness, columns: columns)
    if !witness.explanation.isEmpty {
      lines.append("")
      for sentence in witness.explanation {
        lines += wrapped(sentence, columns: max(columns, leastColumns), indent: "  ")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Rows of intervals. The positions of the events show their order, not their distance: events at
  /// one instant stand in one column.
  package static func picture(_ witness: Witness, columns: Int = 80) -> [String] {
    let shown = witness.operations.prefix(maximumRows)
    guard !shown.isEmpty else { return [] }
    let columns = max(columns, leastColumns)
    let names = shown.map { "p\($0.process) \($0.words)" }
    let numberWidth = String(shown.count).count
    let longest = names.map(\.count).max() ?? 0
    let nameWidth = min(longest, (columns - numberWidth - 4) / 2)
    let width = columns - numberWidth - nameWidth - 4
    let positions = Positions(shown, width: width)
    var lines: [String] = []
    for (row, operation) in shown.enumerated() {
      let number = padded(String(row + 1), numberWidth, isRight: true)
      let name = padded(cut(names[row], nameWidth), nameWidth)
      lines.append(" \(number)  \(name) \(bar(operation, positions, width))")
    }
    if witness.operations.count > maximumRows {
      lines.append(" and \(witness.operations.count - maximumRows) more operations")
    }
    return lines.map(trimmed)
  }

  /// What was done, when and with what outcome.
  package static func table(_ witness: Witness, columns: Int = 80) -> [String] {
    let shown = witness.operations.prefix(maximumRows)
    let first = shown.map(\.startNanoseconds).min() ?? 0
    let last = shown.map { $0.endNanoseconds ?? $0.startNanoseconds }.max() ?? 0
    func time(_ nanoseconds: UInt64?) -> String {
      nanoseconds.map { TimeText.text($0 - first, scale: last - first) } ?? "no answer"
    }
    let starts = shown.map { time($0.startNanoseconds) }
    let ends = shown.map { $0.outcome == .unknown ? "no answer" : time($0.endNanoseconds) }
    let widths = (
      max(5, starts.map(\.count).max() ?? 0), max(3, ends.map(\.count).max() ?? 0),
      max(7, shown.map { String($0.process).count }.max() ?? 0)
    )
    let numberWidth = String(shown.count).count
    let remaining = max(
      10, max(columns, leastColumns) - widths.0 - widths.1 - widths.2 - numberWidth - 9)
    func line(_ number: String, _ process: String, _ start: String, _ end: String, _ words: String)
      -> String
    {
      trimmed(
        " \(padded(number, numberWidth, isRight: true))  \(padded(process, widths.2))  "
          + "\(padded(start, widths.0, isRight: true))  \(padded(end, widths.1, isRight: true))  "
          + cut(words, remaining))
    }
    var lines = [line("", "process", "start", "end", "operation")]
    for (row, operation) in shown.enumerated() {
      lines.append(
        line(
          String(row + 1), String(operation.process), starts[row], ends[row], operation.words))
    }
    return lines
  }

  /// Text in lines of at most `columns`, each after `indent`, broken at spaces, and within a word
  /// only where it is longer than a line. Of a word of many lines the beginning is shown.
  package static func wrapped(_ text: String, columns: Int, indent: String = "") -> [String] {
    let width = max(1, columns - indent.count)
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      var remaining = word
      // Not counted to its end: a value may have millions of characters.
      if word.utf8.count > longestWord,
        let end = word.index(word.startIndex, offsetBy: longestWord, limitedBy: word.endIndex),
        end < word.endIndex
      {
        remaining = Substring("\(word[..<end])…(\(word.utf8.count) bytes)")
      }
      if !line.isEmpty, line.count + 1 + remaining.count > width {
        lines.append(indent + line)
        line = ""
      }
      while remaining.count > width {
        lines.append(indent + remaining.prefix(width))
        remaining = remaining.dropFirst(width)
      }
      line += (line.isEmpty ? "" : " ") + remaining
    }
    return line.isEmpty ? lines : lines + [indent + line]
  }

  /// Where events stand: instants by rank, spread over the width.
  private struct Positions {
    private let times: [UInt64]
    private let width: Int

    init(_ operations: ArraySlice<HistoryOperation>, width: Int) {
      var all = Set(operations.map(\.startNanoseconds))
      for operation in operations where operation.outcome != .unknown {
        if let end = operation.endNanoseconds { all.insert(end) }
      }
      times = all.sorted()
      self.width = width
    }

    func column(_ time: UInt64) -> Int {
      let rank = times.firstIndex(of: time) ?? 0
      // The last three columns are for what has no end.
      let room = max(1, width - 4)
      let step = min(6, room / max(1, times.count))
      return step > 0 ? rank * step : rank * room / times.count
    }
  }

  private static func bar(
    _ operation: HistoryOperation, _ positions: Positions, _ width: Int
  ) -> String {
    let start = positions.column(operation.startNanoseconds)
    var bar = String(repeating: " ", count: start) + "|"
    guard operation.outcome != .unknown, let endTime = operation.endNanoseconds else {
      let length = max(0, width - start - 2)
      bar += (0..<length).map { $0.isMultiple(of: 2) ? "-" : " " }.joined()
      return bar + ">"
    }
    let end = positions.column(endTime)
    if end > start { bar += String(repeating: "-", count: end - start - 1) + "|" }
    return bar
  }

  private static func cut(_ text: String, _ width: Int) -> String {
    text.count > width ? String(text.prefix(max(0, width - 1))) + "…" : text
  }

  private static func padded(_ text: String, _ width: Int, isRight: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return isRight ? space + text : text + space
  }

  private static func trimmed(_ line: String) -> String {
    var line = line
    while line.last == " " { line.removeLast() }
    return line
  }
}
