import Glibc
import KVBase
import KVCommandLine
import KVNodeCore
import KVServer

/// `kvnode`: reads the settings, serves until it is told to stop.
enum NodeMain {
  static func run(_ arguments: [String]) -> Never {
    do throws(UsageError) {
      if arguments.first == "config" {
        try showConfig(Array(arguments.dropFirst()))
      } else if arguments.first == "version" || arguments.first == "--version" {
        Console.out("kvnode \(ToolVersion.current)\n")
      } else if arguments.first == "help" {
        Console.out(NodeFlags.run.help(environmentPrefix: NodeFlags.environmentPrefix))
      } else {
        try serve(arguments)
      }
      ExitCode.ok.exit()
    } catch {
      Console.complain("kvnode", "\(error)")
      ExitCode.usage.exit()
    }
  }

  private static func settings(
    _ spec: CommandSpec, _ arguments: [String]
  ) throws(UsageError) -> Settings? {
    let parsed = try spec.parse(arguments)
    if parsed.asksForHelp {
      Console.out(spec.help(environmentPrefix: NodeFlags.environmentPrefix))
      return nil
    }
    return try Settings(
      spec, parsed, environmentPrefix: NodeFlags.environmentPrefix,
      environment: Console.environment, read: Console.readText)
  }

  private static func showConfig(_ arguments: [String]) throws(UsageError) {
    guard let settings = try settings(NodeFlags.config, arguments) else { return }
    var table = Table([.left("setting"), .elastic("value"), .left("from")])
    // A program, or a person with a pager, wants the whole of a value.
    if !Console.isOutputTerminal { table.width = .max }
    for setting in settings.all where setting.name != "config" {
      var value = setting.values.joined(separator: ",")
      var origin = "\(setting.origin)"
      if setting.values.isEmpty,
        let derived = try NodeSettings.derived(setting.name, settings)
      {
        (value, origin) = derived
      }
      table.add([setting.name, value, origin])
    }
    Console.out(table.text())
  }

  private static func serve(_ arguments: [String]) throws(UsageError) {
    guard let settings = try settings(NodeFlags.run, arguments) else { return }
    var configuration = try NodeSettings.configuration(settings, version: ToolVersion.current)
    let id = configuration.node.node.rawValue
    let planted = try NodePlant.plant(in: &configuration, environment: Console.environment)
    let stopped = StopSignal()
    // Before any thread is made, so that all of them leave these signals to `sigwait`.
    stopped.block()
    let log: @Sendable (String) -> Void = { Console.say("kvnode \(id): \($0)") }
    if let planted { log(planted) }
    let server: Server
    do {
      server = try Server(configuration, log: log) { problem in
        if let problem { Console.say("kvnode \(id): stopped: \(problem)") }
        (problem == nil ? ExitCode.ok : .other).exitAtOnce()
      }
    } catch {
      Console.say("kvnode \(id): can't start: \(error)")
      ExitCode.other.exit()
    }
    log("listening on \(server.address), data in \(configuration.dataDirectory)")
    var requests = StopRequests()
    stopped.wait()
    _ = requests.add(at: ContinuousClock().now)
    server.beginShutdown()
    repeat { stopped.wait() } while requests.add(at: ContinuousClock().now) != .stopAtOnce
    log("told to stop a second time: stopping at once")
    ExitCode.ok.exitAtOnce()
  }
}
