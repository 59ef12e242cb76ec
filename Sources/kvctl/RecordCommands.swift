internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVCommandLine
internal import KVWire

/// `put`, `get`, `del`, `cas`, `incr`, `append`.
enum RecordCommands {
  static let all: [Subcommand] = [put, get, delete, compareAndSet, increment, append]

  private static let conditionFlags: [Flag] = [
    Flag("if-absent", isSetting: false, "only where there is no record"),
    Flag("if-version", value: "N", isSetting: false, "only where the record has this version"),
  ]
  private static let writeFlags: [Flag] = [
    Kvctl.keyspaceFlag, Kvctl.writeLevelFlag, Kvctl.hexFlag, Kvctl.metaFlag,
  ]

  static let put = Kvctl.command(
    "put", "set a key to a value",
    examples: [
      ("kvctl put greeting hello", "set it"),
      ("kvctl put picture < cat.png", "the value from standard input"),
      ("kvctl put lock me --if-absent", "only if nobody has it"),
    ],
    positionals: [
      Positional("KEY", "1 to 4,096 bytes"),
      Positional(
        "VALUE", optional: true, "up to 1 MiB; without it, standard input up to its end"),
    ], flags: conditionFlags + writeFlags
  ) { context in
    let key = try context.bytes(context.positional(0) ?? "", "the key")
    let value = try value(context)
    return try await write(
      .mutate(key: key, .put(value: value, condition: try condition(context) ?? .always)), key,
      context)
  }

  static let delete = Kvctl.command(
    "del", "delete keys",
    examples: [
      ("kvctl del greeting", "delete one"),
      ("kvctl del a b c", "delete three, one after the other"),
    ],
    positionals: [Positional("KEY", repeats: true, "what to delete")],
    flags: [
      Flag("if-version", value: "N", isSetting: false, "only where the record has this version")
    ] + writeFlags
  ) { context in
    var code = ExitCode.ok
    for typed in context.settings.positionals {
      let key = try context.bytes(typed, "the key")
      var condition = KVCommand.Condition.always
      if let version = try context.settings.integer("if-version", in: 0...UInt64.max) {
        condition = .ifVersion(LogIndex(version))
      }
      let result = try await write(.mutate(key: key, .delete(condition: condition)), key, context)
      if result != .ok { code = result }
    }
    return code
  }

  static let compareAndSet = Kvctl.command(
    "cas", "set a key if it is as expected",
    examples: [
      ("kvctl cas state open closed", "only if it is 'open'"),
      ("kvctl cas state closed --if-version 7", "only if it has version 7"),
      ("kvctl cas state open --if-absent", "only if there is none"),
    ],
    positionals: [
      Positional("KEY", "the key"),
      Positional("EXPECTED", "the value that it must have; left out with --if-…"),
      Positional("NEW", optional: true, "the new value"),
    ], flags: conditionFlags + writeFlags,
    notes: ["It exits with 4 and changes nothing where the key is not as expected."]
  ) { context in
    let key = try context.bytes(context.positional(0) ?? "", "the key")
    let given = context.settings.positionals.count
    if let condition = try condition(context) {
      guard given == 2, let new = context.positional(1) else {
        throw UsageError("with --if-absent or --if-version it is: kvctl cas KEY NEW")
      }
      let value = try context.bytes(new, "the value")
      return try await write(
        .mutate(key: key, .put(value: value, condition: condition)), key, context)
    }
    guard given == 3, let expected = context.positional(1), let new = context.positional(2) else {
      throw UsageError("NEW is missing: kvctl cas KEY EXPECTED NEW")
    }
    let condition = KVCommand.Condition.ifValue(try context.bytes(expected, "the expected value"))
    let value = try context.bytes(new, "the value")
    return try await write(
      .mutate(key: key, .put(value: value, condition: condition)), key, context)
  }

  static let increment = Kvctl.command(
    "incr", "add to a counter and print the sum",
    examples: [
      ("kvctl incr visits", "add 1"),
      ("kvctl incr stock -3 --min 0", "subtract 3, but not below 0"),
    ],
    positionals: [
      Positional("KEY", "the counter: decimal text; begins at 0"),
      Positional("DELTA", optional: true, "what to add; 1 where left out"),
    ],
    flags: [
      Flag("min", value: "N", isSetting: false, "refuse what would go below"),
      Flag("max", value: "N", isSetting: false, "refuse what would go above"),
    ] + writeFlags,
    notes: [
      "It exits with 4 and changes nothing where the sum would leave the bounds.",
      Kvctl.unknownNote,
    ]
  ) { context in
    let key = try context.bytes(context.positional(0) ?? "", "the key")
    guard let delta = Int64(context.positional(1) ?? "1") else {
      throw UsageError("DELTA is '\(context.positional(1) ?? "")': it must be a whole number")
    }
    let everything = Int64.min...Int64.max
    return try await write(
      .mutate(
        key: key,
        .add(
          delta: delta, minimum: try context.settings.integer("min", in: everything) ?? .min,
          maximum: try context.settings.integer("max", in: everything) ?? .max)), key, context)
  }

  static let append = Kvctl.command(
    "append", "put bytes after the end of a value and print its new length",
    examples: [
      ("kvctl append visitors 'ann;'", "the value begins empty"),
      ("kvctl append notes < line.txt", "the bytes from standard input"),
    ],
    positionals: [
      Positional("KEY", "1 to 4,096 bytes"),
      Positional(
        "VALUE", optional: true,
        "what to append, up to 1 MiB; without it, standard input up to its end"),
    ], flags: writeFlags,
    notes: [
      "For small values: each append writes the whole value again. It exits with 4 and changes"
        + " nothing where the value would grow longer than 1 MiB.", Kvctl.unknownNote,
    ]
  ) { context in
    let key = try context.bytes(context.positional(0) ?? "", "the key")
    let suffix = try value(context)
    return try await write(.mutate(key: key, .append(suffix: suffix)), key, context)
  }

  /// The second argument, or standard input up to its end.
  private static func value(_ context: Context) throws -> Bytes {
    if let typed = context.positional(1) { return try context.bytes(typed, "the value") }
    if Console.isInputTerminal { Console.say("type the value; Ctrl-D ends it") }
    var input = try LineReader(path: "-")
    do throws(FileError) {
      return Bytes(try input.readAll(limit: Limits.valueBytes))
    } catch {
      // As where a node refuses it.
      guard error.isTooLong else { throw error }
      let limit = Measure.grouped(Limits.valueBytes)
      throw UsageError("standard input is longer than \(limit) bytes, the limit of a value")
    }
  }

  private static func condition(
    _ context: Context
  ) throws(UsageError) -> KVCommand.Condition? {
    let version = try context.settings.integer("if-version", in: 0...UInt64.max)
    if context.settings.isOn("if-absent") {
      guard version == nil else {
        throw UsageError("--if-absent and --if-version exclude each other: give one")
      }
      return .ifAbsent
    }
    return version.map { .ifVersion(LogIndex($0)) }
  }

  // MARK: Writing

  private static func write(
    _ operation: ClientOperation, _ key: Bytes, _ context: Context
  ) async throws -> ExitCode {
    let outcome = await context.client.perform(operation, try context.options())
    guard case .applied(let result, let receipt) = outcome else { throw KVError(outcome) }
    var members = context.members("key", key)
    let version: LogIndex
    var line = "OK"
    switch result {
    case .written(let written):
      version = written
    case .deleted(let existed, let deleted):
      version = deleted
      members.append(.init("existed", .bool(existed)))
      if !existed { Console.say("there was no record '\(context.cell(key))'") }
    case .added(let sum, let added):
      version = added
      members.append(.init("value", .integer(sum)))
      line = "\(sum)"
    case .appended(let length, let appended):
      version = appended
      members.append(.init("length", .integer(Int64(length))))
      line = "\(length)"
    default: throw KVError(outcome)
    }
    members.append(.init("version", .unsigned(version.rawValue)))
    if context.showsMeta { members += context.members(receipt) }
    context.say(receipt, version: version)
    Console.out((context.form == .json ? JSON.object(members).line : line) + "\n")
    return .ok
  }

  // MARK: Reading

  static let get = Kvctl.command(
    "get", "print the value of a key, or of several",
    examples: [
      ("kvctl get greeting", "print its value"),
      ("kvctl get a b c", "print keys and values"),
      ("kvctl get greeting --consistency stale", "from any replica, perhaps old"),
      ("kvctl get greeting --meta -o json", "with version, node and term"),
    ],
    positionals: [Positional("KEY", repeats: true, "what to read")],
    flags: [Kvctl.keyspaceFlag] + Kvctl.readFlags + [Kvctl.hexFlag, Kvctl.metaFlag],
    notes: ["It exits with 3 where a key is not there."]
  ) { context in
    var keys: [Bytes] = []
    for typed in context.settings.positionals { keys.append(try context.bytes(typed, "the key")) }
    guard keys.count == 1 else { return try await getSeveral(keys, context) }
    let outcome = await context.client.perform(.get(key: keys[0]), try context.options())
    return try show(outcome, keys[0], context)
  }

  private static func show(
    _ outcome: Outcome, _ key: Bytes, _ context: Context
  ) throws -> ExitCode {
    guard case .record(let record, let receipt) = outcome else { throw KVError(outcome) }
    context.say(receipt, version: record?.version)
    guard let record else {
      if context.form == .json {
        var members = context.members("key", key) + [.init("value", .null)]
        if context.showsMeta { members += context.members(receipt) }
        Console.out(JSON.object(members).line + "\n")
      }
      Console.say("kvctl: there is no record '\(context.cell(key))'")
      return .notFound
    }
    switch context.form {
    case .simple: Console.out(context.shown(record.value) + [10])
    case .json:
      var members = context.members("key", key) + context.members("value", record.value)
      members.append(.init("version", .unsigned(record.version.rawValue)))
      if context.showsMeta { members += context.members(receipt) }
      Console.out(JSON.object(members).line + "\n")
    case .table: Console.out(RecordOutput.table([(key, record)], context))
    }
    return .ok
  }

  private static func getSeveral(_ keys: [Bytes], _ context: Context) async throws -> ExitCode {
    let outcome = await context.client.perform(.multiGet(keys: keys), try context.options())
    guard case .records(let records, _) = outcome else { throw KVError(outcome) }
    var missing: [String] = []
    var found: [(Bytes, KVCommand.Record)] = []
    for (key, record) in zip(keys, records) {
      if let record {
        found.append((key, record))
        if context.form != .table { Console.out(RecordOutput.line(key, record, context)) }
      } else {
        missing.append("'\(context.cell(key))'")
        if context.form == .json { Console.out(RecordOutput.absent(key, context)) }
      }
    }
    if context.form == .table { Console.out(RecordOutput.table(found, context)) }
    guard !missing.isEmpty else { return .ok }
    Console.say("kvctl: there is no record \(missing.joined(separator: ", "))")
    return .notFound
  }
}

/// Keys and values for standard output.
enum RecordOutput {
  /// The JSON of a key that has no record.
  static func absent(_ key: Bytes, _ context: Context) -> String {
    JSON.object(context.members("key", key) + [.init("value", .null)]).line + "\n"
  }

  static func line(
    _ key: Bytes, _ record: KVCommand.Record, keysOnly: Bool = false, _ context: Context
  ) -> [UInt8] {
    if context.form == .json {
      var members = context.members("key", key)
      if !keysOnly { members += context.members("value", record.value) }
      members.append(.init("version", .unsigned(record.version.rawValue)))
      return Array((JSON.object(members).line + "\n").utf8)
    }
    if keysOnly { return context.shown(key) + [10] }
    return context.shown(key) + [9] + context.shown(record.value) + [10]
  }

  static func table(
    _ records: [(Bytes, KVCommand.Record)], keysOnly: Bool = false, _ context: Context
  ) -> String {
    var table = Table(
      keysOnly
        ? [.elastic("KEY"), .right("VERSION")]
        : [.elastic("KEY"), .right("VERSION"), .elastic("VALUE")])
    for (key, record) in records {
      let head = [context.cell(key), "\(record.version)"]
      table.add(keysOnly ? head : head + [context.cell(record.value)])
    }
    return table.text()
  }
}
