internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommandLine
internal import KVWire

/// What to do, as the flags say.
struct Plan: Sendable {
  enum Operation: String, Sendable, CaseIterable {
    case put, get, mixed, scan
    var name: String { rawValue }
  }

  enum Distribution: Sendable { case uniform, zipfian }

  var op: Operation
  var clients: Int
  var conns: Int
  var threads: Int
  var seconds: Double
  var warmup: Double
  var keys: Int
  var valueSize: Int
  var distribution: Distribution
  var seed: UInt64
  var loads: Bool
  var options: CallOptions
  /// Of puts: a level that only reads have is left out.
  var writeOptions: CallOptions
  var core: ClientSettings

  init(_ settings: Settings) throws {
    let operations = Operation.allCases.map { (name: $0.name, value: $0) }
    op = try settings.choice("op", operations) ?? .put
    clients = try settings.integer("clients", in: 1...100_000) ?? 64
    conns = min(try settings.integer("conns", in: 1...1000) ?? 8, clients)
    threads = min(try settings.integer("threads", in: 1...64) ?? 1, conns)
    seconds = try Self.seconds(settings, "seconds") ?? 10
    warmup = try Self.seconds(settings, "warmup") ?? 2
    keys = try settings.integer("keys", in: 1...1_000_000_000) ?? 100_000
    valueSize = try settings.bytes("value-size") ?? 256
    guard valueSize <= Limits.valueBytes else {
      throw settings.wrong("value-size", "at most \(Limits.valueBytes)")
    }
    distribution =
      try settings.choice("distribution", [("uniform", .uniform), ("zipfian", .zipfian)])
      ?? .uniform
    seed = try settings.integer("seed", in: 0...UInt64.max) ?? 1
    loads = op != .put && !settings.isOn("no-load")
    options = CallOptions(keyspace: settings.text("keyspace") ?? "default")
    options.timeout = TimeAmount(try settings.duration("timeout") ?? .seconds(10))
    options.consistency = try settings.choice("consistency", Levels.named(Levels.reads))
    writeOptions = options
    if let level = options.consistency, level != .linearizable, level != .quorum {
      guard op != .put else {
        throw UsageError("puts have no level \(level.name): use linearizable or quorum")
      }
      writeOptions.consistency = nil
    }
    core = try Client.settings(settings.texts("endpoints"))
    core.software = "kvbench"
  }

  private static func seconds(_ settings: Settings, _ name: String) throws -> Double? {
    guard let text = settings.text(name) else { return nil }
    if text == "0", name == "warmup" { return 0 }
    guard let duration = try settings.duration(name) else { return nil }
    return Double(TimeAmount(duration).nanoseconds) / 1e9
  }
}

/// The keys, made once: a call costs no new one.
final class KeyTable: Sendable {
  private let made: [Bytes]
  let count: Int
  private static let kept = 2_000_000

  init(count: Int) {
    self.count = count
    made = (0..<min(count, Self.kept)).map { Self.key($0) }
  }

  subscript(index: Int) -> Bytes { index < made.count ? made[index] : Self.key(index) }

  /// `key-%012d`
  static func key(_ index: Int) -> Bytes {
    var bytes = Array("key-000000000000".utf8)
    var remaining = index
    var at = bytes.count - 1
    while remaining > 0, at > 3 {
      bytes[at] = UInt8(48 + remaining % 10)
      remaining /= 10
      at -= 1
    }
    return Bytes(bytes)
  }
}
