internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommandLine
internal import KVWire

/// What a command runs with.
struct Context: Sendable {
  enum Form: Sendable { case simple, json, table }

  let settings: Settings
  let client: Client
  let form: Form
  let timeout: Duration

  init(_ settings: Settings) throws {
    self.settings = settings
    client = try Client(endpoints: settings.texts("endpoints"))
    form =
      try settings.choice(
        "output", [("simple", .simple), ("json", .json), ("table", .table)]) ?? .simple
    timeout = try settings.duration("timeout") ?? .seconds(5)
  }

  func positional(_ index: Int) -> String? {
    index < settings.positionals.count ? settings.positionals[index] : nil
  }

  /// The options of a call, with the levels of a read where the command has them.
  func options() throws(UsageError) -> CallOptions {
    var options = CallOptions(timeout: TimeAmount(timeout))
    if settings.all.contains(where: { $0.name == "keyspace" }), let name = settings.text("keyspace")
    {
      options.keyspace = name
    }
    guard settings.all.contains(where: { $0.name == "consistency" }) else { return options }
    // Writes have no more than the level.
    let reads = settings.all.contains { $0.name == "after" }
    options.consistency = try settings.choice(
      "consistency", Levels.named(reads ? Levels.reads : Levels.writes))
    guard reads else { return options }
    options.after = try settings.integer("after", in: 0...UInt64.max).map { LogIndex($0) }
    options.maximumAge = try settings.duration("max-age").map { TimeAmount($0) }
    if options.after != nil, options.consistency != .session {
      throw UsageError("--after goes with --consistency session")
    }
    if options.maximumAge != nil, options.consistency != .stale {
      throw UsageError("--max-age goes with --consistency stale")
    }
    return options
  }

  var isHexadecimal: Bool {
    settings.all.contains { $0.name == "hex" } && settings.isOn("hex")
  }

  var showsMeta: Bool { settings.all.contains { $0.name == "meta" } && settings.isOn("meta") }

  /// The bytes of a key or value as it was typed.
  func bytes(_ text: String, _ what: String) throws(UsageError) -> Bytes {
    guard isHexadecimal else { return Bytes(text) }
    guard let bytes = Encodings.bytes(hexadecimal: text) else {
      throw UsageError("\(what) '\(text)' is not hexadecimal: give pairs of digits 0-9, a-f")
    }
    return Bytes(bytes)
  }

  /// Bytes as data for standard output.
  func shown(_ bytes: Bytes) -> [UInt8] {
    isHexadecimal ? Array(bytes.hexadecimal.utf8) : bytes.array
  }

  /// Bytes as a cell of a table: what is not text in hexadecimal.
  func cell(_ bytes: Bytes) -> String {
    if isHexadecimal { return bytes.hexadecimal }
    return bytes.text ?? "0x" + bytes.hexadecimal
  }

  /// Members of a JSON object for bytes: as text where they are text, else in base64 and marked.
  func members(_ name: String, _ bytes: Bytes) -> [JSON.Member] {
    if isHexadecimal { return [.init(name, .text(bytes.hexadecimal))] }
    if let text = bytes.text { return [.init(name, .text(text))] }
    return [
      .init(name, .text(Encodings.base64(bytes.array))), .init("\(name)_base64", .bool(true)),
    ]
  }

  func members(_ receipt: KVWire.Receipt) -> [JSON.Member] {
    [
      .init("node", .unsigned(UInt64(receipt.node.rawValue))),
      .init("group", .unsigned(UInt64(receipt.group.rawValue))),
      .init("term", .unsigned(receipt.term.rawValue)),
      .init("index", .unsigned(receipt.index.rawValue)),
      .init("served", .text(receipt.served.name)),
      .init("replicas", .unsigned(UInt64(receipt.replicas))),
    ]
  }

  /// What `--meta` says where the answer itself is not JSON.
  func say(_ receipt: KVWire.Receipt, version: LogIndex?) {
    guard showsMeta, form != .json else { return }
    let version = version.map { "version \($0), " } ?? ""
    Console.say(
      "\(version)node \(receipt.node.rawValue), group \(receipt.group.rawValue),"
        + " term \(receipt.term), index \(receipt.index), served \(receipt.served.name)")
  }
}
