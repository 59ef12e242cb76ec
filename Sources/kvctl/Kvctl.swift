internal import KVClient
internal import KVCommandLine

/// One command of the tool.
struct Subcommand: Sendable {
  var name: String
  /// For the list of commands.
  var summary: String
  var spec: CommandSpec
  var run: @Sendable (Context) async throws -> ExitCode
}

/// The whole tool.
enum Kvctl {
  static let environmentPrefix = "KVCTL_"

  static let commands: [Subcommand] =
    RecordCommands.all + [ScanCommandLine.scan] + TransferCommands.all + KeyspaceCommands.all
    + ClusterCommands.all

  /// Flags of every command.
  static let commonFlags: [Flag] = [
    Flag(
      "endpoints", value: "LIST", default: "127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403",
      repeats: true,
      "where to find nodes: host:port, or id=host:port to use that address for the node"),
    Flag(
      "timeout", value: "TIME", default: "5s",
      "how long a call may take: 500ms, 2s, 1m, or 2 for 2 seconds"),
    Flag(
      "output", short: "o", value: "FORM", default: "simple",
      "simple, json or table; a table where records, nodes or keyspaces are printed, elsewhere the"
        + " same as simple"),
    Flag("config", value: "FILE", "a file of 'flag = value' lines"),
  ]

  static let keyspaceFlag = Flag(
    "keyspace", short: "k", value: "NAME", default: "default", "the keyspace")
  static let hexFlag = Flag("hex", "keys and values are written in hexadecimal, in and out")
  static let metaFlag = Flag("meta", "also say who answered, how, and at which version")
  static let writeLevelFlag = Flag(
    "consistency", value: "LEVEL",
    "linearizable (the default) or quorum, which is the same: a majority has it on disk")
  static let readFlags: [Flag] = [
    Flag(
      "consistency", value: "LEVEL",
      "linearizable (the default), quorum (the same, by asking a majority in any case), session or"
        + " stale"),
    Flag(
      "after", value: "INDEX",
      "with session: not older than this index, as a write's --meta shows it"),
    Flag("max-age", value: "TIME", "with stale: not further behind than this: 500ms, 2s, 1m"),
  ]

  /// A command whose name and common flags are added to what it says of itself.
  static func command(
    _ name: String, _ summary: String, examples: [(line: String, meaning: String)],
    positionals: [Positional] = [], flags: [Flag] = [], notes: [String] = [],
    run: @escaping @Sendable (Context) async throws -> ExitCode
  ) -> Subcommand {
    Subcommand(
      name: name, summary: summary,
      spec: CommandSpec(
        "kvctl \(name)", summary, examples: examples, positionals: positionals,
        flags: flags + commonFlags, notes: notes), run: run)
  }

  /// What a command that may take effect twice says below its help.
  static let unknownNote =
    "Where it exits with 6 it is not known whether it was done, and it may yet be: read the key"
    + " first. To run kvctl again is a new request, which may do it a second time."

  static func run(_ arguments: [String]) async -> ExitCode {
    do {
      return try await dispatch(arguments)
    } catch let error as UsageError {
      Console.complain("kvctl", "\(error)")
      return .usage
    } catch let error as KVError {
      let prefix = error.outcome == .unknown ? "outcome unknown: " : ""
      Console.complain("kvctl", "\(prefix)\(error.message)")
      return ExitCode(error)
    } catch {
      Console.complain("kvctl", "\(error)")
      return .other
    }
  }

  private static func dispatch(_ arguments: [String]) async throws -> ExitCode {
    let (words, all) = split(arguments)
    guard let first = words.first else {
      if all.contains("--help") || all.contains("-h") {
        Console.out(overview)
        return .ok
      }
      if all.contains("--version") {
        Console.out("kvctl \(ToolVersion.current)\n")
        return .ok
      }
      Console.say(overview)
      return .usage
    }
    if first == "help" {
      guard words.count > 1 else {
        Console.out(overview)
        return .ok
      }
      guard let command = find(Array(words.dropFirst())) else {
        throw unknown(Array(words.dropFirst()))
      }
      Console.out(command.spec.help(environmentPrefix: environmentPrefix))
      return .ok
    }
    guard let command = find(words) else { throw unknown(words) }
    var own = all
    let nameLength = command.name.split(separator: " ").count
    // Removed from the positionals: the others stay in their order.
    for _ in 0..<nameLength {
      if let at = firstWord(in: own) { own.remove(at: at) }
    }
    let parsed = try command.spec.parse(own)
    if parsed.asksForHelp {
      Console.out(command.spec.help(environmentPrefix: environmentPrefix))
      return .ok
    }
    let settings = try Settings(
      command.spec, parsed, environmentPrefix: environmentPrefix,
      environment: Console.environment, read: Console.readText)
    let context = try Context(settings)
    let ending: ExitCode
    do {
      ending = try await command.run(context)
    } catch {
      await context.client.close()
      throw error
    }
    // What it was to the partitions ends with it: thousands of runs leave no sessions in use.
    await context.client.close()
    return ending
  }

  /// What to say of a command that there is not: `words` has at least one.
  static func unknown(_ words: [String]) -> UsageError {
    let first = words[0]
    let parts = commands.map(\.name).filter { $0.hasPrefix(first + " ") }
    if !parts.isEmpty {
      let list = parts.map { "'kvctl \($0)'" }.joined(separator: ", ")
      guard let second = words.dropFirst().first else {
        return UsageError("'\(first)' is the first word of \(list): add the second")
      }
      // As other tools call it.
      let aliases = ["list": "ls", "delete": "drop", "rm": "drop", "del": "drop", "add": "create"]
      let nearest =
        aliases[second].map { "\(first) \($0)" }
        ?? Suggestion.nearest(to: "\(first) \(second)", among: parts)
      let hint = nearest.map { ": did you mean 'kvctl \($0)'?" } ?? ";"
      return UsageError("there is no command '\(first) \(second)'\(hint) there are \(list)")
    }
    let known = commands.map(\.name) + ["help"]
    let typed = words.prefix(2).joined(separator: " ")
    let nearest =
      Suggestion.nearest(to: first, among: known) ?? Suggestion.nearest(to: typed, among: known)
    let hint = nearest.map { ": did you mean '\($0)'?" } ?? ";"
    return UsageError("there is no command '\(first)'\(hint) 'kvctl help' lists the commands")
  }

  /// The words that are no flags and no values of common flags, and all arguments as they are.
  private static func split(_ arguments: [String]) -> (words: [String], all: [String]) {
    var words: [String] = []
    var all = arguments[...]
    while let at = firstWord(in: Array(all)) {
      words.append(all[all.startIndex + at])
      all = all[(all.startIndex + at + 1)...]
    }
    return (words, arguments)
  }

  /// Where the first argument stands that is neither a flag nor the value of a common one.
  private static func firstWord(in arguments: [String]) -> Int? {
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      if argument == "--" { return index + 1 < arguments.count ? index + 1 : nil }
      guard CommandSpec.looksLikeFlag(argument) else { return index }
      let takesValue = commonFlags.contains { flag in
        flag.value != nil
          && (argument == "--\(flag.name)" || flag.short.map { argument == "-\($0)" } ?? false)
      }
      index += takesValue || argument == "-k" || argument == "--keyspace" ? 2 : 1
    }
    return nil
  }

  /// The command whose name the words begin with: the longest.
  private static func find(_ words: [String]) -> Subcommand? {
    commands.filter { words.starts(with: $0.name.split(separator: " ").map(String.init)) }
      .max { $0.name.count < $1.name.count }
  }

  static var overview: String {
    var lines = [
      "kvctl: talk to a cluster of kvnode", "",
      "  kvctl put greeting hello               set a key",
      "  kvctl get greeting                     read it",
      "  kvctl status                           see how the nodes are",
      "", "commands:",
    ]
    for command in commands {
      let padding = String(repeating: " ", count: max(1, 18 - command.name.count))
      lines += TextLayout.wrapped("\(command.summary)", width: 80, indent: 20).enumerated().map {
        $0.offset == 0 ? "  \(command.name)\(padding)\($0.element.dropFirst(20))" : $0.element
      }
    }
    lines += ["", "'kvctl COMMAND --help' shows its arguments, with examples."]
    lines += ["Nodes are looked for at 127.0.0.1:7401, 7402 and 7403 unless --endpoints or"]
    lines += ["KVCTL_ENDPOINTS say otherwise."]
    return lines.joined(separator: "\n") + "\n"
  }
}
