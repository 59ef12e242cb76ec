/// The settings of a command, each from the first of: flag, environment, config file, default.
package struct Settings: Sendable {
  package enum Origin: Hashable, Sendable, CustomStringConvertible {
    case flag
    case environment(variable: String)
    case file(path: String, line: Int)
    case standard
    case unset

    package var description: String {
      switch self {
      case .flag: "flag"
      case .environment(let variable): "environment, \(variable)"
      case .file(let path, let line): "\(path), line \(line)"
      case .standard: "default"
      case .unset: "not set"
      }
    }
  }

  package struct Setting: Hashable, Sendable {
    package var name: String
    /// More than one only where the flag repeats.
    package var values: [String]
    package var origin: Origin
  }

  package let command: String
  package let positionals: [String]
  /// In the order of the flags.
  package let all: [Setting]

  /// Works the settings out. The file is the one that `--config` or its variable names; it is read
  /// by `read`, which throws a sentence.
  package init(
    _ spec: CommandSpec, _ arguments: ParsedArguments, environmentPrefix: String,
    environment: [String: String], read: (String) throws(UsageError) -> String
  ) throws(UsageError) {
    command = spec.name
    positionals = arguments.positionals
    var file: [String: (value: String, line: Int)] = [:]
    var path = ""
    let variable = Self.variable("config", prefix: environmentPrefix)
    if let config = arguments.flags["config"]?.first ?? environment[variable],
      spec.flag(named: "config") != nil
    {
      path = config
      file = try Self.parse(file: try read(config), path: config, spec)
    }
    var settings: [Setting] = []
    for flag in spec.flags {
      let variable = Self.variable(flag.name, prefix: environmentPrefix)
      var setting = Setting(name: flag.name, values: [], origin: .unset)
      if let given = arguments.flags[flag.name] {
        setting.values = given
        setting.origin = .flag
      } else if flag.isSetting, let value = environment[variable] {
        setting.values = flag.repeats ? Self.list(value) : [value]
        setting.origin = .environment(variable: variable)
      } else if flag.isSetting, let (value, line) = file[flag.name] {
        setting.values = flag.repeats ? Self.list(value) : [value]
        setting.origin = .file(path: path, line: line)
      } else if let standard = flag.standard {
        setting.values = [standard]
        setting.origin = .standard
      }
      if flag.value == nil, let value = setting.values.first, Self.boolean(value) == nil {
        throw UsageError(
          "\(flag.name) is true or false, not '\(value)' (\(setting.origin))")
      }
      settings.append(setting)
    }
    all = settings
  }

  /// `KVNODE_DATA_DIR` for `data-dir`.
  package static func variable(_ name: String, prefix: String) -> String {
    prefix + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
  }

  /// Lines `flag = value`; `#` begins a comment; quotes around a value are taken off.
  private static func parse(
    file: String, path: String, _ spec: CommandSpec
  ) throws(UsageError) -> [String: (value: String, line: Int)] {
    var found: [String: (value: String, line: Int)] = [:]
    for (index, raw) in file.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = trim(raw)
      if line.isEmpty || line.hasPrefix("#") { continue }
      let source = "\(path), line \(index + 1)"
      guard let equals = line.firstIndex(of: "=") else {
        throw UsageError("\(source): '\(line)' is not of the form 'flag = value'")
      }
      let name = String(trim(line[..<equals]))
      var value = trim(line[line.index(after: equals)...])
      if value.count >= 2, value.first == "\"", value.last == "\"" {
        value = value.dropFirst().dropLast()
      }
      guard let flag = spec.flag(named: name), flag.isSetting, name != "config" else {
        let known = spec.flags.filter(\.isSetting).map(\.name)
        throw UsageError(
          "\(source): there is no setting '\(name)'"
            + Suggestion.sentence(for: name, among: known))
      }
      if let earlier = found[name] {
        throw UsageError("\(source): '\(name)' stands in line \(earlier.line) already")
      }
      found[name] = (String(value), index + 1)
    }
    return found
  }

  private static func trim(_ text: Substring) -> Substring {
    var text = text
    while let first = text.first, first.isWhitespace { text.removeFirst() }
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return text
  }

  static func list(_ text: String) -> [String] {
    text.split(separator: ",").map { String(trim($0)) }
  }

  package static func boolean(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "true", "yes", "on", "1": true
    case "false", "no", "off", "0": false
    default: nil
    }
  }
}

extension Settings {
  /// The command line with which `positionals` is done as this command was told to: the flags that
  /// were given stand in it again, but for those in `omitted`.
  package func command(again positionals: [String], omitting omitted: Set<String>) -> String {
    var words = command.split(separator: " ").map(String.init) + positionals
    for setting in all where setting.origin == .flag && !omitted.contains(setting.name) {
      for value in setting.values { words.append("--\(setting.name)=\(value)") }
    }
    return words.map { Self.quoted($0) }.joined(separator: " ")
  }

  /// As a shell reads it as one word.
  static func quoted(_ word: String) -> String {
    let isPlain = word.allSatisfy { character in
      character.isASCII
        && (character.isLetter || character.isNumber || "-_./:,=@%+".contains(character))
    }
    if isPlain, !word.isEmpty { return word }
    return "\"" + word.map { "\"\\$`".contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
  }
}

/// The values by their types. A name that the command does not have is a programmer's error.
extension Settings {
  package func setting(_ name: String) -> Setting {
    guard let setting = all.first(where: { $0.name == name }) else {
      preconditionFailure("\(command) has no flag '\(name)', it has \(all.map(\.name))")
    }
    return setting
  }

  package func has(_ name: String) -> Bool { !setting(name).values.isEmpty }

  package func isOn(_ name: String) -> Bool {
    setting(name).values.first.flatMap { Self.boolean($0) } ?? false
  }

  package func text(_ name: String) -> String? { setting(name).values.first }

  /// All values of a flag that repeats, or those between commas.
  package func texts(_ name: String) -> [String] { setting(name).values.flatMap { Self.list($0) } }

  package func integer<T: FixedWidthInteger>(
    _ name: String, in range: ClosedRange<T>
  ) throws(UsageError) -> T? {
    guard let text = text(name) else { return nil }
    guard let value = T(text), range.contains(value) else {
      let bounds =
        range.upperBound == T.max
        ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
      throw wrong(name, "a whole number \(bounds)")
    }
    return value
  }

  /// `500ms`, `2s`, `1m`, `1h`, or `2` for 2 seconds.
  package func duration(_ name: String) throws(UsageError) -> Duration? {
    guard let text = text(name) else { return nil }
    guard let value = Measure.duration(text), value > .zero else {
      throw wrong(name, "a length of time above 0, such as 500ms, 2s, 1m, or 2 for 2 seconds")
    }
    return value
  }

  /// `64MiB`, `1GB`, `4096`.
  package func bytes(_ name: String) throws(UsageError) -> Int? {
    guard let text = text(name) else { return nil }
    guard let value = Measure.bytes(text) else {
      throw wrong(name, "a number of bytes such as 4096, 64KiB or 1GiB")
    }
    return value
  }

  package func choice<T>(
    _ name: String, _ choices: [(name: String, value: T)]
  ) throws(UsageError) -> T? {
    guard let text = text(name) else { return nil }
    if let found = choices.first(where: { $0.name == text }) { return found.value }
    let names = choices.map(\.name)
    throw UsageError(
      wrong(name, (names.count == 1 ? "" : "one of ") + names.joined(separator: ", ")).description
        + Suggestion.sentence(for: text, among: names))
  }

  /// The sentence for a value that can't be used.
  package func wrong(_ name: String, _ expected: String) -> UsageError {
    let setting = setting(name)
    let source = setting.origin == .flag ? "--\(name)" : "\(name) (\(setting.origin))"
    return UsageError("\(source) is '\(setting.values.first ?? "")': it must be \(expected)")
  }
}
