internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVCommandLine
internal import KVPlacement
internal import KVWire

/// `status`, `members`, `where`, `health`, `version`.
enum ClusterCommands {
  static let all: [Subcommand] = [status, members, whereIs, health, version]

  /// A node that is asked for itself gets no more than this, so that one that hangs does not hold
  /// up the rest for the whole time-out.
  private static let askTimeout = TimeAmount.milliseconds(1500)

  private static func asking(_ context: Context) throws(UsageError) -> CallOptions {
    var options = try context.options()
    options.timeout = min(options.timeout, askTimeout)
    return options
  }

  static let status = Kvctl.command(
    "status", "show how every node is",
    examples: [
      ("kvctl status", "a table"), ("kvctl status -o json", "the same for a program"),
    ],
    notes: [
      "LEADS: groups that it leads. LAG: entries that its slowest group has yet to apply. LOG,"
        + " DATA: bytes on its disk. A node that 'waits' has groups that know no leader; one that"
        + " is 'starting' does not serve yet, and the line below the table says why.",
      "It exits with 5 where no node has a map of the cluster, else with 0, whatever the table"
        + " says: for a script, 'kvctl health' exits with 5 where a node is not ready.",
    ]
  ) { context in
    let options = try asking(context)
    let client = context.client
    let view: ClusterView
    switch await client.perform(.map, options) {
    case .map(let found): view = found
    case let failure: return try await showEndpoints(context, options, KVError(failure))
    }
    let rows = await withTaskGroup(of: ClusterStatus.Row.self) { group in
      for node in view.map.members {
        group.addTask {
          let outcome = await client.perform(.status(node.node), options)
          guard case .status(let report) = outcome else {
            return ClusterStatus.Row(
              node: node, report: nil, problem: KVError(outcome).message)
          }
          return ClusterStatus.Row(node: node, report: report)
        }
      }
      var rows: [ClusterStatus.Row] = []
      for await row in group { rows.append(row) }
      return rows.sorted { $0.node.node < $1.node.node }
    }
    let status = ClusterStatus(view: view, rows: rows)
    Console.out(context.form == .json ? status.json().line + "\n" : status.text())
    return .ok
  }

  /// No node has a map: what each endpoint says by itself.
  private static func showEndpoints(
    _ context: Context, _ options: CallOptions, _ error: KVError
  ) async throws -> ExitCode {
    let status = await endpointStatus(context, options)
    guard status.hasAnswer else { throw error }
    Console.out(context.form == .json ? status.json().line + "\n" : status.text())
    return .unavailable
  }

  private static func endpointStatus(
    _ context: Context, _ options: CallOptions
  ) async -> EndpointStatus {
    let client = context.client
    return await withTaskGroup(of: (Int, EndpointStatus.Row).self) { group in
      let endpoints = context.settings.texts("endpoints").compactMap { Endpoint($0) }
      for (at, endpoint) in endpoints.enumerated() {
        group.addTask {
          let address = endpoint.address
          let outcome = await client.perform(.statusAt(endpoint: address), options)
          guard case .status(let report) = outcome else {
            return (
              at,
              EndpointStatus.Row(address: address, report: nil, problem: KVError(outcome).message)
            )
          }
          return (at, EndpointStatus.Row(address: address, report: report))
        }
      }
      var rows: [(Int, EndpointStatus.Row)] = []
      for await row in group { rows.append(row) }
      return EndpointStatus(rows: rows.sorted { $0.0 < $1.0 }.map(\.1))
    }
  }

  static let members = Kvctl.command(
    "members", "list the nodes of the cluster",
    examples: [("kvctl members", "ids, addresses and zones")]
  ) { context in
    let view = try await context.client.map(try context.options())
    var table = Table([.left("ID"), .elastic("ADDRESS"), .elastic("ZONE"), .left("INCARNATION")])
    for node in view.map.members {
      let incarnation = node.incarnation == 0 ? nil : Encodings.hexadecimal(node.incarnation)
      if context.form == .json {
        let json = JSON.object([
          "id": .unsigned(UInt64(node.node.rawValue)), "address": .text(node.address),
          "zone": .text(node.zone), "incarnation": incarnation.map { .text($0) } ?? .null,
        ])
        Console.out(json.line + "\n")
      }
      table.add([
        "\(node.node)", node.address, node.zone.isEmpty ? "-" : node.zone,
        incarnation ?? "not met yet",
      ])
    }
    if context.form != .json { Console.out(table.text()) }
    return .ok
  }

  static let whereIs = Kvctl.command(
    "where", "show where a key lives",
    examples: [("kvctl where greeting", "its partition, replicas and leader")],
    positionals: [Positional("KEY", "the key")], flags: [Kvctl.hexFlag]
  ) { context in
    let key = try context.bytes(context.positional(0) ?? "", "the key")
    if key.isEmpty { throw UsageError("the key is empty: a key has 1 to 4,096 bytes") }
    let view = try await context.client.map(try context.options())
    let partition = Ring.partition(of: key, partitions: view.map.partitions)
    let group = GroupID(partition: partition)
    let replicas = view.map.replicaSet(of: group)?.nodes ?? []
    let leader = view.leaders[Int(group.rawValue)]
    let token = String(Ring.token(of: key).rawValue, radix: 16)
    if context.form == .json {
      let json = JSON.object([
        "key": .text(context.cell(key)), "token": .text(token),
        "partition": .unsigned(UInt64(partition.rawValue)),
        "group": .unsigned(UInt64(group.rawValue)),
        "replicas": .array(replicas.map { .unsigned(UInt64($0.rawValue)) }),
        "leader": leader.rawValue == 0 ? .null : .unsigned(UInt64(leader.rawValue)),
      ])
      Console.out(json.line + "\n")
    } else {
      let names = replicas.map { "\($0)" }.joined(separator: ", ")
      let led = leader.rawValue == 0 ? "unknown" : "\(leader)"
      Console.out(
        "partition \(partition.rawValue)\nreplicas  \(names)\nleader    \(led)\n"
          + "token     \(token)\n"
      )
    }
    return .ok
  }

  static let version = Kvctl.command(
    "version", "print the version of this tool",
    examples: [("kvctl version", "'kvctl status' shows those of the nodes")]
  ) { context in
    Console.out(
      context.form == .json
        ? JSON.object(["version": .text(ToolVersion.current)]).line + "\n"
        : "kvctl \(ToolVersion.current)\n")
    return .ok
  }

  // MARK: Health

  static let health = Kvctl.command(
    "health", "tell whether every node is ready",
    examples: [
      ("kvctl health", "exits with 0 only if all are"),
      ("kvctl health --wait 30s", "waits for it up to 30 s"),
    ],
    flags: [Flag("wait", value: "TIME", isSetting: false, "ask again until all are ready")],
    notes: [
      "A node is ready when every group of it knows a leader and it is not shutting down.",
      "It exits with 5 where a node is not ready.",
    ]
  ) { context in
    let wait = try context.settings.duration("wait") ?? .zero
    let clock = ContinuousClock()
    let end = clock.now + wait
    var said = ""
    while true {
      let states = await states(context)
      let isReady = !states.isEmpty && states.allSatisfy(\.isReady)
      if isReady || clock.now >= end {
        show(states, context)
        return isReady ? .ok : .unavailable
      }
      let line = states.filter { !$0.isReady }.map(\.text).joined(separator: "; ")
      if line != said { Console.say("waiting: \(line)") }
      said = line
      try await Task.sleep(for: .milliseconds(250))
    }
  }

  private struct State: Sendable {
    var name: String
    var isReady: Bool
    var text: String
  }

  private static func states(_ context: Context) async -> [State] {
    guard let options = try? asking(context) else { return [] }
    let map = await context.client.perform(.map, options)
    guard case .map(let view) = map else {
      let status = await endpointStatus(context, options)
      guard status.hasAnswer else {
        return [State(name: "cluster", isReady: false, text: KVError(map).message)]
      }
      return status.rows.map { row in
        let name = row.report.map { "\($0.node)" } ?? row.address
        let text = row.report == nil ? row.reason : "\(name): \(row.reason)"
        return State(name: name, isReady: false, text: text)
      }
    }
    var found: [State] = []
    for node in view.map.members {
      let outcome = await context.client.perform(.health(node.node), options)
      guard case .health(let report) = outcome else {
        found.append(
          State(
            name: "\(node.node)", isReady: false, text: KVError(outcome).message)
        )
        continue
      }
      let state =
        report.isShuttingDown
        ? "shutting down"
        : report.waitsFor.isEmpty
          ? "\(report.groupsWithLeader) of \(report.groups) groups have a leader"
          : report.waitsFor
      found.append(
        State(name: "\(node.node)", isReady: report.isReady, text: "\(node.node): \(state)"))
    }
    return found
  }

  private static func show(_ states: [State], _ context: Context) {
    for state in states {
      if context.form == .json {
        let json = JSON.object([
          "node": .text(state.name), "ready": .bool(state.isReady), "detail": .text(state.text),
        ])
        Console.out(json.line + "\n")
      } else {
        Console.out("\(state.isReady ? "ready    " : "NOT READY")  \(state.text)\n")
      }
    }
  }
}
