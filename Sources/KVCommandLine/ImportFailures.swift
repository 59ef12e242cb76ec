/// What became of the lines of an import: it says of each failure what was wrong, in the order of
/// the lines, and keeps the failed lines.
///
/// `begin` is called with each line in its order, and `end` once for each of these, in any order.
package struct ImportFailures: Sendable {
  package struct Problem: Hashable, Sendable {
    package var text: String
    /// It fails however often it is tried: the line must be corrected.
    package var isFinal: Bool

    package init(_ text: String, isFinal: Bool) {
      self.text = text
      self.isFinal = isFinal
    }
  }

  /// A line that has begun and is not told of yet, since one before it has not ended.
  private struct Entry {
    var number: Int
    var end: (line: [UInt8]?, problem: Problem?)?
  }

  private var entries: [Entry] = []
  /// The entries before this one are told of.
  private var first = 0
  package private(set) var count = 0
  /// Those of `count` that must be corrected.
  private var finals = 0
  /// The failed lines, to be written to a file.
  package private(set) var lines: [[UInt8]] = []

  private static let shown = 10
  private static let kept = 1_000_000

  package init() {}

  package mutating func begin(_ number: Int) { entries.append(Entry(number: number)) }

  /// What is to be said now. `problem`: `nil` where the line is in.
  package mutating func end(
    _ number: Int, _ line: [UInt8]?, _ problem: Problem?
  ) -> [String] {
    let at = position(of: number)
    precondition(
      at < entries.count && entries[at].number == number,
      "line \(number) has not begun; \(entries.count - first) lines have")
    entries[at].end = (problem == nil ? nil : line, problem)
    var said: [String] = []
    while first < entries.count, let end = entries[first].end {
      if let problem = end.problem { said += fail(entries[first].number, end.line, problem) }
      first += 1
    }
    if first > entries.count / 2 {
      entries.removeFirst(first)
      first = 0
    }
    return said
  }

  /// Of the first entry that is not before `number`; they stand in their order.
  private func position(of number: Int) -> Int {
    var low = first
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private mutating func fail(
    _ number: Int, _ line: [UInt8]?, _ problem: Problem
  ) -> [String] {
    count += 1
    finals += problem.isFinal ? 1 : 0
    if let line, lines.count < Self.kept { lines.append(line) }
    if count <= Self.shown { return ["line \(number): \(problem.text)"] }
    return count == Self.shown + 1 ? ["further failures are not shown"] : []
  }

  /// The end of the import's last sentence. `path`: where the lines were kept; `command`: what
  /// imports them again.
  package func summary(path: String?, command: String) -> String {
    guard count > 0 else { return "" }
    let failed = ", \(Measure.grouped(count)) failed"
    guard !lines.isEmpty else { return failed }
    guard let path else { return failed + "; give --failures FILE to keep such lines" }
    switch finals {
    case 0: return failed + "; '\(command)' tries them again"
    case count: return failed + "; correct them in \(path), then '\(command)' tries them again"
    default:
      return failed + "; \(finals) of them must be corrected in \(path); then '\(command)'"
        + " tries all again"
    }
  }

  /// The first of `path`, `path-2`, `path-3` … that is not there, so that what an earlier import
  /// left is never replaced.
  package static func free(_ path: String, exists: (String) -> Bool) -> String {
    var number = 1
    var name = path
    while exists(name) {
      number += 1
      name = "\(path)-\(number)"
    }
    return name
  }
}
