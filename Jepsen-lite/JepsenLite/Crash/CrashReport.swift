internal import JepsenHistory
internal import KVBase

/// A measured value, for JSON.
package enum CrashFact: Hashable, Sendable {
  case integer(Int)
  case text(String)
  case numbers([Double])
  case texts([String])

  var json: String {
    switch self {
    case .integer(let value): "\(value)"
    case .text(let text): JSON.quoted(text)
    case .numbers(let values): "[" + values.map { "\($0)" }.joined(separator: ",") + "]"
    case .texts(let texts): "[" + texts.map { JSON.quoted($0) }.joined(separator: ",") + "]"
    }
  }
}

/// What came of one scenario.
package struct CrashReport: Sendable {
  package let scenario: CrashScenario
  package private(set) var lines: [String] = []
  package private(set) var facts: [(name: String, fact: CrashFact)] = []
  package private(set) var violations: [String] = []
  /// Why the run proves nothing.
  package private(set) var invalid: [String] = []

  init(_ scenario: CrashScenario) { self.scenario = scenario }

  mutating func say(_ line: String) { lines.append(line) }
  mutating func fact(_ name: String, _ fact: CrashFact) { facts.append((name, fact)) }
  mutating func violated(_ what: String) { violations.append(what) }
  mutating func proves(nothing why: String) { invalid.append(why) }

  /// Times in milliseconds, as a line and as facts.
  mutating func times(_ title: String, _ name: String, _ nanoseconds: [UInt64]) {
    guard !nanoseconds.isEmpty else { return }
    let spread = Spread(nanoseconds)
    let padded = title + String(repeating: " ", count: max(0, 31 - title.count))
    say("\(padded) \(spread)")
    fact(name + "_ms", .numbers(nanoseconds.map { Double($0 / 10_000) / 100 }))
  }

  package var verdict: CrashVerdict {
    if !violations.isEmpty { return .violated }
    return invalid.isEmpty ? .passed : .invalid
  }

  /// To be read, within 80 columns.
  package var text: String {
    var out = "== \(scenario.rawValue)\n"
    for line in lines { out += Self.wrapped(line, indent: "   ") }
    // Many of one kind say no more than a few.
    for line in violations.prefix(20) { out += Self.wrapped("VIOLATED: " + line, indent: "   ") }
    if violations.count > 20 { out += "   VIOLATED: and \(violations.count - 20) more\n" }
    for line in invalid { out += Self.wrapped("INVALID: " + line, indent: "   ") }
    if verdict == .passed { out += "   passed\n" }
    return out
  }

  package var json: String {
    var members = [
      "\"scenario\":\"\(scenario.rawValue)\"", "\"verdict\":\"\(verdict.rawValue)\"",
      "\"violations\":\(CrashFact.texts(violations).json)",
      "\"invalid\":\(CrashFact.texts(invalid).json)",
    ]
    members += facts.map { "\(JSON.quoted($0.name)):\($0.fact.json)" }
    return "{" + members.joined(separator: ",") + "}"
  }

  static func wrapped(_ text: String, indent: String) -> String {
    var out = ""
    for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
      var line = indent
      var hasWord = false
      for word in paragraph.split(separator: " ", omittingEmptySubsequences: false) {
        if hasWord, line.count + 1 + word.count > 80 {
          out += line + "\n"
          line = indent + "  "
          hasWord = false
        }
        line += hasWord ? " \(word)" : "\(word)"
        hasWord = true
      }
      out += line + "\n"
    }
    return out
  }
}

package enum CrashVerdict: String, Sendable {
  case passed, violated, invalid

  package var exitCode: SimulationCommand.ExitCode {
    switch self {
    case .passed: .passed
    case .violated: .violated
    case .invalid: .invalid
    }
  }

  /// What several scenarios come to.
  package static func of(_ reports: [CrashReport]) -> CrashVerdict {
    if reports.contains(where: { $0.verdict == .violated }) { return .violated }
    return reports.contains { $0.verdict == .invalid } ? .invalid : .passed
  }
}

/// How measured times are spread.
package struct Spread: Hashable, Sendable, CustomStringConvertible {
  package let minimum: UInt64
  package let median: UInt64
  package let p90: UInt64
  package let maximum: UInt64

  /// Of at least one time, in nanoseconds.
  package init(_ times: [UInt64]) {
    precondition(!times.isEmpty, "a spread of \(times.count) times")
    let sorted = times.sorted()
    func rank(_ share: Double) -> UInt64 {
      sorted[max(0, Int((Double(sorted.count) * share).rounded(.up)) - 1)]
    }
    minimum = sorted[0]
    median = rank(0.5)
    p90 = rank(0.9)
    maximum = sorted[sorted.count - 1]
  }

  package var description: String {
    "min \(Spread.text(minimum))  median \(Spread.text(median))  p90 \(Spread.text(p90))  "
      + "max \(Spread.text(maximum)) ms"
  }

  /// Milliseconds, with a decimal where they are few.
  static func text(_ nanoseconds: UInt64) -> String {
    guard nanoseconds < 100_000_000 else { return "\((nanoseconds + 500_000) / 1_000_000)" }
    let tenths = (nanoseconds + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}
