/// A flag of a command: `--name`, and `-n` where it has a short form.
package struct Flag: Sendable {
  package var name: String
  package var short: Character?
  /// What its value is, in capitals; `nil` for one that is there or not.
  package var value: String?
  package var help: String
  /// As text; `nil`: none.
  package var standard: String?
  /// It may be given several times.
  package var repeats = false
  /// Whether it may also come from the environment and the config file.
  package var isSetting = true

  /// A flag with a value.
  package init(
    _ name: String, short: Character? = nil, value: String, default standard: String? = nil,
    repeats: Bool = false, isSetting: Bool = true, _ help: String
  ) {
    self.name = name
    self.short = short
    self.value = value
    self.help = help
    self.standard = standard
    self.repeats = repeats
    self.isSetting = isSetting
  }

  /// A flag that is there or not.
  package init(_ name: String, short: Character? = nil, isSetting: Bool = true, _ help: String) {
    self.name = name
    self.short = short
    value = nil
    self.help = help
    self.isSetting = isSetting
  }
}

/// An argument that is no flag.
package struct Positional: Sendable {
  package var name: String
  package var help: String
  package var isOptional: Bool
  /// It takes all that are left; only the last may.
  package var repeats: Bool

  package init(_ name: String, optional: Bool = false, repeats: Bool = false, _ help: String) {
    self.name = name
    self.help = help
    isOptional = optional
    self.repeats = repeats
  }
}

/// What a command takes: for parsing, for help, and for settings.
package struct CommandSpec: Sendable {
  /// As it is called, such as `kvctl put`.
  package var name: String
  package var summary: String
  /// A command line and what it does.
  package var examples: [(line: String, meaning: String)]
  package var positionals: [Positional]
  package var flags: [Flag]
  /// What stands below everything else in the help.
  package var notes: [String]

  package init(
    _ name: String, _ summary: String, examples: [(line: String, meaning: String)],
    positionals: [Positional] = [], flags: [Flag], notes: [String] = []
  ) {
    self.name = name
    self.summary = summary
    self.examples = examples
    self.positionals = positionals
    self.flags = flags
    self.notes = notes
  }

  func flag(named name: String) -> Flag? { flags.first { $0.name == name } }
}

/// A command line that can't be understood: one sentence, with what to do.
package struct UsageError: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
