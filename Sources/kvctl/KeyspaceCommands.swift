internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVCommandLine
internal import KVWire

/// `keyspace create`, `keyspace ls`, `keyspace drop`.
enum KeyspaceCommands {
  static let all: [Subcommand] = [create, list, drop]

  static let create = Kvctl.command(
    "keyspace create", "create a keyspace",
    examples: [
      ("kvctl keyspace create accounts", "a linearizable one")
    ],
    positionals: [Positional("NAME", "letters, digits, '-', '_' and '.'")],
    flags: [Flag("mode", value: "MODE", default: "cp", isSetting: false, "cp; ap is not there yet")]
  ) { context in
    let name = context.positional(0) ?? ""
    if context.settings.text("mode") == "ap" {
      throw UsageError("--mode ap is not there yet: create the keyspace with --mode cp")
    }
    let mode: KVCommand.KeyspaceMode =
      try context.settings.choice("mode", [("cp", .cp)]) ?? .cp
    let outcome = await context.client.perform(
      .createKeyspace(name: name, mode: mode), try context.options())
    guard case .applied(.keyspace(let made), _) = outcome else { throw KVError(outcome) }
    Console.out(context.form == .json ? json(made).line + "\n" : "OK\n")
    return .ok
  }

  static let drop = Kvctl.command(
    "keyspace drop", "drop a keyspace and all its records",
    examples: [
      ("kvctl keyspace drop accounts", "it can't be taken back"),
      ("kvctl keyspace drop accounts --yes", "without a question"),
    ],
    positionals: [Positional("NAME", "the keyspace")],
    flags: [Flag("yes", isSetting: false, "do not ask; it asks only at a terminal")]
  ) { context in
    let name = context.positional(0) ?? ""
    if Console.isInputTerminal, !context.settings.isOn("yes") {
      Console.say("this deletes all records of '\(name)' on all nodes; type its name to go on:")
      var input = try LineReader(path: "-")
      let typed = try input.next(limit: Limits.commandBytes) ?? []
      guard String(decoding: typed, as: UTF8.self) == name else {
        Console.say("kvctl: that is not '\(name)': nothing was dropped")
        return .other
      }
    }
    try await context.client.dropKeyspace(name, options: Options(timeout: context.timeout))
    Console.out(context.form == .json ? "{\"dropped\":true}\n" : "OK\n")
    return .ok
  }

  static let list = Kvctl.command(
    "keyspace ls", "list the keyspaces", examples: [("kvctl keyspace ls", "names and modes")]
  ) { context in
    let view = try await context.client.map(try context.options())
    switch context.form {
    case .json:
      for keyspace in view.map.keyspaces { Console.out(json(keyspace).line + "\n") }
    case .simple, .table:
      var table = Table([.elastic("NAME"), .left("MODE"), .right("ID")])
      for keyspace in view.map.keyspaces {
        table.add([keyspace.name, keyspace.mode == .cp ? "cp" : "ap", "\(keyspace.id.rawValue)"])
      }
      Console.out(table.text())
    }
    return .ok
  }

  private static func json(_ keyspace: KeyspaceDescriptor) -> JSON {
    .object([
      "name": .text(keyspace.name), "mode": .text(keyspace.mode == .cp ? "cp" : "ap"),
      "id": .unsigned(UInt64(keyspace.id.rawValue)),
    ])
  }
}
