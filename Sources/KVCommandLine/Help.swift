extension CommandSpec {
  /// `usage: kvctl put KEY [VALUE] [flags]`
  package var usageLine: String {
    var line = "usage: \(name)"
    for positional in positionals {
      let text = positional.name + (positional.repeats ? "…" : "")
      line += positional.isOptional ? " [\(text)]" : " \(text)"
    }
    return flags.isEmpty ? line : line + " [flags]"
  }

  /// The help: examples first, at most 80 columns.
  package func help(environmentPrefix: String?) -> String {
    var lines = TextLayout.wrapped("\(name): \(summary)", width: 80)
    lines.append("")
    for example in examples {
      let padding = String(repeating: " ", count: max(1, 40 - example.line.count))
      let line = "  \(example.line)\(padding)\(example.meaning)"
      if example.line.count < 39, line.count <= 80 {
        lines.append(line)
      } else {
        lines.append("  \(example.line)")
        lines += TextLayout.wrapped(example.meaning, width: 80, indent: 6)
      }
    }
    lines += ["", usageLine, ""]
    for positional in positionals {
      lines += TextLayout.item("  \(positional.name)", positional.help)
    }
    for flag in flags { lines += TextLayout.item("  \(flag.heading)", flag.explanation) }
    if let environmentPrefix, flags.contains(where: \.isSetting) {
      lines.append("")
      let example = flags.first { $0.isSetting && $0.value != nil } ?? flags[0]
      lines += TextLayout.wrapped(
        "A flag can also be set by the environment, --\(example.name) by"
          + " \(Settings.variable(example.name, prefix: environmentPrefix)), or by a line"
          + " '\(example.name) = …' of the file given with --config. The flag wins, then the"
          + " environment, then the file.", width: 80)
    }
    for note in notes {
      lines.append("")
      lines += TextLayout.wrapped(note, width: 80)
    }
    return lines.map { TextLayout.trimmed($0) }.joined(separator: "\n") + "\n"
  }
}

extension Flag {
  var heading: String {
    let long = "--\(name)" + (value.map { " \($0)" } ?? "")
    return short.map { "-\($0), \(long)" } ?? long
  }

  var explanation: String {
    standard.map { "\(help) (default: \($0))" } ?? help
  }
}

/// Text in columns of a fixed width.
package enum TextLayout {
  /// The words of `text` in lines of at most `width` columns.
  package static func wrapped(_ text: String, width: Int, indent: Int = 0) -> [String] {
    var lines: [String] = []
    var line = ""
    let margin = String(repeating: " ", count: indent)
    for word in text.split(separator: " ") {
      if !line.isEmpty, indent + line.count + 1 + word.count > width {
        lines.append(margin + line)
        line = ""
      }
      line += line.isEmpty ? "\(word)" : " \(word)"
    }
    if !line.isEmpty { lines.append(margin + line) }
    return lines
  }

  /// A heading, and what it means from column 30 on.
  static func item(_ heading: String, _ text: String) -> [String] {
    let body = wrapped(text, width: 80, indent: 30)
    guard let first = body.first else { return [heading] }
    guard heading.count <= 28 else { return [heading] + body }
    let padding = String(repeating: " ", count: 30 - heading.count)
    return [heading + padding + first.dropFirst(30)] + body.dropFirst()
  }

  /// Without the spaces at its end.
  package static func trimmed(_ line: String) -> String {
    var line = Substring(line)
    while line.last == " " { line.removeLast() }
    return String(line)
  }
}
