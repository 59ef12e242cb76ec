internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVCommandLine

/// `import` and `export`: one JSON object a line, with `key` and `value`; `key_base64` or
/// `value_base64` true where that text is base64.
enum TransferCommands {
  static let all: [Subcommand] = [importRecords, exportRecords]

  private struct Line: Sendable {
    var number: Int
    var text: [UInt8]
  }

  static let importRecords = Kvctl.command(
    "import", "put all records of a file",
    examples: [
      ("kvctl import data.jsonl", "from a file, as 'export' writes it"),
      ("zcat data.gz | kvctl import -", "from standard input"),
      ("kvctl import data.jsonl.failed", "what failed before, again"),
    ],
    positionals: [
      Positional("FILE", optional: true, "a file, or - for standard input, the default")
    ],
    flags: [
      Flag("parallel", value: "N", default: "128", "requests in flight, 1 to 1000"),
      Flag(
        "failures", value: "FILE", isSetting: false,
        "where lines that failed are kept, to be imported again; FILE.failed where left out"),
      Kvctl.keyspaceFlag, Kvctl.writeLevelFlag,
    ],
    notes: [
      "A line is {\"key\":\"…\",\"value\":\"…\"}; with \"key_base64\":true or"
        + " \"value_base64\":true that text is base64. It exits with 1 where a line failed."
    ]
  ) { context in
    let path = context.positional(0) ?? "-"
    let options = try context.options()
    let parallel = try context.settings.integer("parallel", in: 1...1000) ?? 128
    var input = try LineReader(path: path)
    var failures = Failures(
      path: context.settings.text("failures") ?? (path == "-" ? nil : "\(path).failed"))
    var progress = Progress("import")
    var done = 0
    var number = 0
    let client = context.client
    await withTaskGroup(of: (Line, String?).self) { group in
      var running = 0
      func awaitOne() async {
        guard let (line, problem) = await group.next() else { return }
        running -= 1
        if let problem { failures.add(line.number, line.text, problem) } else { done += 1 }
      }
      do {
        while let text = try input.next(limit: Limits.commandBytes * 4) {
          number += 1
          if text.allSatisfy({ $0 == 32 || $0 == 9 }) { continue }
          while running >= parallel { await awaitOne() }
          let line = Line(number: number, text: text)
          running += 1
          group.addTask { (line, await put(line, client, options)) }
          let share = input.size.map { Double(input.bytesRead) / Double(max(1, $0)) }
          progress.update(count: done, share: share)
        }
      } catch {
        failures.add(number + 1, nil, "\(error)")
      }
      while running > 0 { await awaitOne() }
    }
    progress.clear()
    try failures.finish()
    Console.say(
      "\(Measure.grouped(done)) records imported in \(Measure.decimal(progress.seconds)) s"
        + failures.summary)
    return failures.count == 0 ? .ok : .other
  }

  /// Why the line failed; `nil` where it is in.
  private static func put(
    _ line: Line, _ client: Client, _ options: CallOptions
  ) async -> String? {
    do {
      let json = try JSON(parsing: line.text)
      let key = try bytes("key", json)
      let value = try bytes("value", json)
      let outcome = await client.perform(
        .mutate(key: key, .put(value: value)), options)
      if case .applied(.written, _) = outcome { return nil }
      return KVError(outcome).message
    } catch {
      return "\(error)"
    }
  }

  private static func bytes(_ name: String, _ json: JSON) throws(UsageError) -> Bytes {
    guard case .text(let text) = json[name] else {
      throw UsageError("there is no text \"\(name)\" in it")
    }
    let isBase64 = json["\(name)_base64"] == .bool(true) || json["base64"] == .bool(true)
    guard isBase64 else { return Bytes(text) }
    guard let bytes = Encodings.bytes(base64: text) else {
      throw UsageError("its \"\(name)\" is not base64")
    }
    return Bytes(bytes)
  }

  static let exportRecords = Kvctl.command(
    "export", "write all records to a file",
    examples: [
      ("kvctl export data.jsonl", "to a file"),
      ("kvctl export - | gzip > data.gz", "to standard output"),
    ],
    positionals: [
      Positional("FILE", optional: true, "a file, or - for standard output, the default")
    ],
    flags: [
      Flag("prefix", value: "PREFIX", isSetting: false, "only keys that begin with it"),
      Kvctl.keyspaceFlag,
    ] + Kvctl.readFlags,
    notes: ["Records that change meanwhile are written as they were before or after."]
  ) { context in
    let path = context.positional(0) ?? "-"
    let options = try context.options()
    var output = try FileWriter(path: path)
    var progress = Progress("export")
    var query = ScanQuery(prefix: Bytes(context.settings.text("prefix") ?? ""), limit: 1024)
    var done = 0
    repeat {
      let outcome = await context.client.perform(.scan(query), options)
      guard case .page(let page) = outcome else {
        progress.clear()
        throw KVError(outcome)
      }
      for scanned in page.records {
        let members =
          context.members("key", scanned.key) + context.members("value", scanned.record.value)
        try output.write(line: Array(JSON.object(members).line.utf8))
      }
      done += page.records.count
      progress.update(count: done, share: nil)
      query.token = page.next
    } while query.token != nil
    try output.flush()
    progress.clear()
    Console.say(
      "\(Measure.grouped(done)) records exported in \(Measure.decimal(progress.seconds)) s")
    return .ok
  }
}

/// The lines of an import that failed: some are shown, all are kept to be imported again.
private struct Failures {
  let path: String?
  private(set) var count = 0
  private var lines: [[UInt8]] = []
  private static let shown = 10
  private static let kept = 1_000_000

  init(path: String?) { self.path = path }

  mutating func add(_ number: Int, _ line: [UInt8]?, _ problem: String) {
    count += 1
    if let line, lines.count < Self.kept { lines.append(line) }
    if count <= Self.shown { Console.say("line \(number): \(problem)") }
    if count == Self.shown + 1 { Console.say("further failures are not shown") }
  }

  func finish() throws(FileError) {
    guard !lines.isEmpty, let path else { return }
    var output = try FileWriter(path: path)
    for line in lines { try output.write(line: line) }
    try output.flush()
  }

  var summary: String {
    guard count > 0 else { return "" }
    let advice =
      path.map { "; 'kvctl import \($0)' tries them again" }
      ?? "; give --failures FILE to keep such lines"
    return ", \(count) failed\(lines.isEmpty ? "" : advice)"
  }
}
