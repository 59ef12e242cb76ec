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
        "where lines that failed are kept, to be imported again: it is replaced; where left out,"
          + " FILE.failed, or FILE.failed-2 and so on where there is one"),
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
    var failures = ImportFailures()
    var progress = Progress("import")
    var done = 0
    var number = 0
    let client = context.client
    await withTaskGroup(of: (Line, ImportFailures.Problem?).self) { group in
      var running = 0
      func awaitOne() async {
        guard let (line, problem) = await group.next() else { return }
        running -= 1
        if problem == nil { done += 1 }
        for text in failures.end(line.number, line.text, problem) { Console.say(text) }
      }
      do {
        while let text = try input.next(limit: Limits.commandBytes * 4) {
          number += 1
          if text.allSatisfy({ $0 == 32 || $0 == 9 }) { continue }
          while running >= parallel { await awaitOne() }
          let line = Line(number: number, text: text)
          failures.begin(number)
          running += 1
          group.addTask { (line, await put(line, client, options)) }
          let share = input.size.map { Double(input.bytesRead) / Double(max(1, $0)) }
          progress.update(count: done, share: share)
        }
      } catch {
        failures.begin(number + 1)
        let problem = ImportFailures.Problem("\(error)", isFinal: true)
        for text in failures.end(number + 1, nil, problem) { Console.say(text) }
      }
      while running > 0 { await awaitOne() }
    }
    progress.clear()
    let kept = try keep(failures.lines, of: path, context.settings)
    let again = context.settings.command(again: [kept ?? path], omitting: ["failures"])
    Console.say(
      "\(Measure.records(done)) imported in \(Measure.decimal(progress.seconds)) s"
        + failures.summary(path: kept, command: again))
    return failures.count == 0 ? .ok : .other
  }

  /// Writes the lines that failed; where to, or `nil` where there are none or no place was named.
  private static func keep(
    _ lines: [[UInt8]], of path: String, _ settings: Settings
  ) throws(FileError) -> String? {
    let standard = path == "-" ? nil : "\(path).failed"
    let given = settings.text("failures")
    guard !lines.isEmpty else {
      if let name = given ?? standard, Console.isFile(name) {
        Console.say("\(name) is of an earlier import: remove it when it is not needed any more")
      }
      return nil
    }
    let free = standard.map { ImportFailures.free($0, exists: Console.isFile) }
    guard let name = given ?? free else { return nil }
    var output = try FileWriter(path: name)
    for line in lines { try output.write(line: line) }
    try output.commit()
    return name
  }

  /// Why the line failed; `nil` where it is in.
  private static func put(
    _ line: Line, _ client: Client, _ options: CallOptions
  ) async -> ImportFailures.Problem? {
    do {
      let json: JSON
      do throws(JSONError) { json = try JSON(parsing: line.text) } catch {
        let place = error.offset.map { "column \($0 + 1): " } ?? ""
        return .init("not a JSON object (\(place)\(error.text))", isFinal: true)
      }
      let key = try bytes("key", json)
      let value = try bytes("value", json)
      let outcome = await client.perform(
        .mutate(key: key, .put(value: value)), options)
      if case .applied(.written, _) = outcome { return nil }
      let error = KVError(outcome)
      return .init(error.message, isFinal: error.kind == .invalidArgument)
    } catch {
      return .init("\(error)", isFinal: true)
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
    notes: [
      "Records that change meanwhile are written as they were before or after. FILE is replaced"
        + " once all is written; an export that fails leaves it as it was."
    ]
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
    try output.commit()
    progress.clear()
    Console.say("\(Measure.records(done)) exported in \(Measure.decimal(progress.seconds)) s")
    return .ok
  }
}
