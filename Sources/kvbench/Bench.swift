internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommandLine
internal import KVWire

/// The tool: settings, threads, phases, and the line at the end.
enum Bench {
  static let environmentPrefix = "KVBENCH_"

  static let spec = CommandSpec(
    "kvbench", "put a closed-loop load on a cluster and print what it did",
    examples: [
      ("kvbench --op put --seconds 10", "puts, 64 clients over 8 connections"),
      ("kvbench --op get --clients 256 --conns 16", "loads all keys, then reads them"),
      ("kvbench --op mixed --distribution zipfian", "half puts, half gets, some keys hot"),
    ],
    flags: [
      Flag("op", value: "OP", default: "put", "put, get, mixed (half and half) or scan"),
      Flag("clients", value: "N", default: "64", "calls in progress at any time"),
      Flag("conns", value: "N", default: "8", "connections to each node, shared by the clients"),
      Flag("threads", value: "N", default: "1", "threads of the generator"),
      Flag(
        "seconds", value: "TIME", default: "10",
        "how long to measure: 500ms, 2s, 1m, or 2 for 2 seconds"),
      Flag("warmup", value: "TIME", default: "2", "how long to run before that; 0: not at all"),
      Flag("keys", value: "N", default: "100000", "different keys"),
      Flag("value-size", value: "BYTES", default: "256", "bytes of a value"),
      Flag(
        "consistency", value: "LEVEL",
        "of reads: linearizable, quorum, session or stale; the first two of puts as well"),
      Flag("keyspace", short: "k", value: "NAME", default: "default", "the keyspace"),
      Flag(
        "distribution", value: "NAME", default: "uniform", "of the keys: uniform or zipfian"),
      Flag("timeout", value: "TIME", default: "10s", "of a call: 500ms, 2s, or 2 for 2 seconds"),
      Flag(
        "endpoints", value: "LIST", default: "127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403",
        repeats: true, "where to find nodes"),
      Flag("seed", value: "N", default: "1", "of the random choices"),
      Flag("no-load", "do not put all keys before a load that reads"),
      Flag("config", value: "FILE", "a file of 'flag = value' lines"),
    ],
    notes: [
      "The last line, on standard output, is one JSON object: system, op, clients, conns,"
        + " value_size, keys, ops, failed, ops_per_s, p50_us, p90_us, p99_us, p999_us, max_us. A"
        + " key that is not there counts as failed.",
      "It leaves its records, key-000000000000 and so on, in the keyspace. With a keyspace of its"
        + " own they are gone at once: 'kvctl keyspace create bench', 'kvbench -k bench', 'kvctl"
        + " keyspace drop bench'.",
    ])

  static func run(_ arguments: [String]) -> ExitCode {
    do {
      if let first = arguments.first, ["version", "--version"].contains(first) {
        Console.out("kvbench \(ToolVersion.current)\n")
        return .ok
      }
      let parsed = try spec.parse(arguments.first == "help" ? ["--help"] : arguments)
      if parsed.asksForHelp {
        Console.out(spec.help(environmentPrefix: environmentPrefix))
        return .ok
      }
      if let extra = parsed.positionals.first {
        throw UsageError("'\(extra)' is one argument too many: \(spec.usageLine)")
      }
      let settings = try Settings(
        spec, parsed, environmentPrefix: environmentPrefix, environment: Console.environment,
        read: Console.readText)
      return try run(try Plan(settings))
    } catch let error as UsageError {
      Console.complain("kvbench", "\(error)")
      return .usage
    } catch let error as KVError {
      Console.complain("kvbench", error.message)
      return ExitCode(error)
    } catch {
      Console.complain("kvbench", "\(error)")
      return .other
    }
  }

  private static func run(_ plan: Plan) throws -> ExitCode {
    let keys = KeyTable(count: plan.keys)
    var threads: [LoadThread] = []
    for index in 0..<plan.threads {
      threads.append(try LoadThread(index: index, plan: plan, keys: keys))
    }
    defer { for thread in threads { thread.stop() } }
    if plan.loads {
      let clock = Progress("load")
      let failed = try phase(threads, .load).failed
      let seconds = Measure.decimal(clock.seconds)
      guard failed == 0 else {
        Console.say("kvbench: \(failed) of \(plan.keys) keys could not be loaded")
        return .unavailable
      }
      Console.say("loaded \(Measure.grouped(plan.keys)) keys in \(seconds) s")
    }
    let result = try phase(threads, .measure)
    Console.out(result.line(plan) + "\n")
    return result.histogram.count > 0 ? .ok : .unavailable
  }

  private static func phase(_ threads: [LoadThread], _ kind: Phase) throws -> LoadResult {
    for thread in threads { thread.begin(kind) }
    var total = LoadResult()
    for thread in threads { total.merge(thread.wait()) }
    if let problem = total.firstProblem { Console.say("first failure: \(problem)") }
    return total
  }
}

enum Phase: Sendable { case load, measure }

/// What one thread, or all, did.
struct LoadResult: Sendable {
  var histogram = Histogram()
  var failed = 0
  var firstProblem: String?

  mutating func merge(_ other: LoadResult) {
    histogram.merge(other.histogram)
    failed += other.failed
    firstProblem = firstProblem ?? other.firstProblem
  }

  func line(_ plan: Plan) -> String {
    let rate = Double(histogram.count) / plan.seconds
    func microseconds(_ share: Double) -> JSON { .unsigned(histogram.quantile(share) / 1000) }
    return JSON.object([
      "system": .text("kvstore"), "op": .text(plan.op.name),
      "clients": .integer(Int64(plan.clients)), "conns": .integer(Int64(plan.conns)),
      "value_size": .integer(Int64(plan.valueSize)), "keys": .integer(Int64(plan.keys)),
      "ops": .unsigned(histogram.count), "failed": .integer(Int64(failed)),
      "ops_per_s": .number((rate * 10).rounded() / 10), "p50_us": microseconds(0.5),
      "p90_us": microseconds(0.9), "p99_us": microseconds(0.99), "p999_us": microseconds(0.999),
      "max_us": .unsigned(histogram.maximum / 1000),
    ]).line
  }
}
