/// What a command line said, before anything else is taken into account.
package struct ParsedArguments: Sendable, Equatable {
  /// By flag; one that has no value has `true`.
  package var flags: [String: [String]] = [:]
  package var positionals: [String] = []
  /// `--help` or `-h` was among them; the rest was not checked.
  package var asksForHelp = false
}

extension CommandSpec {
  /// Takes a command line apart: `--name value`, `--name=value`, `-n value`, `--` before what
  /// only looks like a flag. A negative number is no flag.
  package func parse(_ arguments: [String]) throws(UsageError) -> ParsedArguments {
    var parsed = ParsedArguments()
    var remaining = arguments[...]
    while let argument = remaining.popFirst() {
      if argument == "--" {
        parsed.positionals += remaining
        break
      }
      if argument == "--help" || argument == "-h" {
        parsed.asksForHelp = true
        return parsed
      }
      guard Self.looksLikeFlag(argument) else {
        parsed.positionals.append(argument)
        continue
      }
      try apply(argument, &remaining, into: &parsed)
    }
    try check(parsed.positionals)
    return parsed
  }

  package static func looksLikeFlag(_ argument: String) -> Bool {
    guard argument.hasPrefix("-"), argument.count > 1 else { return false }
    return argument.dropFirst().first.map { !$0.isNumber } ?? false
  }

  private func apply(
    _ argument: String, _ remaining: inout ArraySlice<String>, into parsed: inout ParsedArguments
  ) throws(UsageError) {
    let equals = argument.firstIndex(of: "=")
    let written = String(argument[..<(equals ?? argument.endIndex)])
    let attached = equals.map { String(argument[argument.index(after: $0)...]) }
    let flag = try find(written)
    guard let value = flag.value else {
      if let attached {
        guard let isOn = Settings.boolean(attached) else {
          throw UsageError("--\(flag.name) is there or not: '\(attached)' is no value for it")
        }
        parsed.flags[flag.name] = [isOn ? "true" : "false"]
      } else {
        parsed.flags[flag.name] = ["true"]
      }
      return
    }
    guard let given = attached ?? remaining.popFirst() else {
      throw UsageError("--\(flag.name) needs a value: --\(flag.name) \(value)")
    }
    if parsed.flags[flag.name] != nil, !flag.repeats {
      throw UsageError("--\(flag.name) is given twice: give it once")
    }
    parsed.flags[flag.name, default: []].append(given)
  }

  private func find(_ written: String) throws(UsageError) -> Flag {
    if written.hasPrefix("--") {
      let name = String(written.dropFirst(2))
      if let flag = flag(named: name) { return flag }
      throw unknown("--\(name)", name)
    }
    let short = written.dropFirst()
    if short.count == 1, let flag = flags.first(where: { $0.short == short.first }) { return flag }
    throw unknown(written, String(short))
  }

  private func unknown(_ written: String, _ name: String) -> UsageError {
    let hint = Suggestion.sentence(for: name, among: flags.map(\.name), prefix: "--")
    let dashes =
      positionals.isEmpty ? "" : "; write -- before an argument that begins with a dash"
    return UsageError(
      "\(self.name) has no flag \(written)\(hint.isEmpty ? ";" : hint) '\(self.name) --help' lists"
        + " its flags\(dashes)")
  }

  private func check(_ given: [String]) throws(UsageError) {
    let required = positionals.filter { !$0.isOptional }
    if given.count < required.count {
      throw UsageError("\(required[given.count].name) is missing: \(usageLine)")
    }
    let takesAll = positionals.last?.repeats ?? false
    if given.count > positionals.count, !takesAll {
      throw UsageError("'\(given[positionals.count])' is one argument too many: \(usageLine)")
    }
  }
}

/// What a person may have meant.
package enum Suggestion {
  /// `: did you mean --x?`, or nothing.
  package static func sentence(
    for written: String, among known: [String], prefix: String = ""
  ) -> String {
    nearest(to: written, among: known).map { ": did you mean \(prefix)\($0)?" } ?? ""
  }

  /// The nearest by edits, where it is near enough to be a slip.
  package static func nearest(to written: String, among known: [String]) -> String? {
    var best: (distance: Int, name: String)?
    for name in known {
      let isStart = written.count >= 3 && name.hasPrefix(written)
      let distance = isStart ? 1 : edits(from: Array(written), to: Array(name))
      guard distance <= max(1, min(3, name.count / 3)) else { continue }
      if best.map({ distance < $0.distance }) ?? true { best = (distance, name) }
    }
    return best?.name
  }

  /// Levenshtein's distance, where a swap of neighbours counts as one edit.
  static func edits(from a: [Character], to b: [Character]) -> Int {
    var before: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
        row.append(cost)
      }
      before = last
      last = row
    }
    return last[b.count]
  }
}
