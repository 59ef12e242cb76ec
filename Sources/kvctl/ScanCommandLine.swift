internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVCommandLine

/// `scan`.
enum ScanCommandLine {
  static let scan = Kvctl.command(
    "scan", "print records in the order of their keys",
    examples: [
      ("kvctl scan user/", "all that begin with user/"),
      ("kvctl scan --from a --to n --limit 10", "ten of a range"),
      ("kvctl scan --desc --keys-only", "all keys, the last first"),
    ],
    positionals: [Positional("PREFIX", optional: true, "keys that begin with it")],
    flags: [
      Flag("from", value: "KEY", isSetting: false, "the first key, itself included"),
      Flag("to", value: "KEY", isSetting: false, "the end, itself not included"),
      Flag("limit", value: "N", isSetting: false, "print no more than N records"),
      Flag("page-size", value: "N", default: "256", "records to fetch at a time, 1 to 1024"),
      Flag("token", value: "TOKEN", isSetting: false, "go on where an earlier scan stopped"),
      Flag("desc", isSetting: false, "from the last to the first"),
      Flag("keys-only", isSetting: false, "without values"), Kvctl.keyspaceFlag,
    ] + Kvctl.readFlags + [Kvctl.hexFlag],
    notes: [
      "Every page is read when it is reached; there is no one moment that the whole is of."
    ]
  ) { context in
    var query = try query(context)
    let options = try context.options()
    let limit = try context.settings.integer("limit", in: 1...Int.max) ?? Int.max
    let pageSize = query.limit
    var printed = 0
    var rows: [(Bytes, KVCommand.Record)] = []
    repeat {
      query.limit = min(pageSize, limit - printed)
      let outcome = await context.client.perform(.scan(query), options)
      guard case .page(let page) = outcome else { throw KVError(outcome) }
      var text: [UInt8] = []
      for scanned in page.records {
        if context.form == .table {
          rows.append((scanned.key, scanned.record))
        } else {
          text += RecordOutput.line(
            scanned.key, scanned.record, keysOnly: query.keysOnly, context)
        }
      }
      Console.out(text)
      printed += page.records.count
      query.token = page.next
    } while query.token != nil && printed < limit && rows.count < tableLimit
    if context.form == .table {
      Console.out(RecordOutput.table(rows, keysOnly: query.keysOnly, context))
    }
    if let token = query.token {
      Console.say("there is more: go on with --token \(Encodings.base64(token.array))")
    }
    return .ok
  }

  /// A table is laid out as a whole, so it is held as a whole.
  private static let tableLimit = 100_000

  private static func query(_ context: Context) throws(UsageError) -> ScanQuery {
    let settings = context.settings
    var query: ScanQuery
    if let prefix = context.positional(0) {
      if settings.has("from") || settings.has("to") {
        throw UsageError("PREFIX and --from or --to exclude each other: give one")
      }
      query = ScanQuery(prefix: try context.bytes(prefix, "the prefix"))
    } else {
      query = ScanQuery()
      if let from = settings.text("from") { query.from = try context.bytes(from, "--from") }
      if let to = settings.text("to") { query.to = try context.bytes(to, "--to") }
    }
    query.descending = settings.isOn("desc")
    query.keysOnly = settings.isOn("keys-only")
    query.limit = try settings.integer("page-size", in: 1...Limits.pageRecords) ?? 256
    if let token = settings.text("token") {
      guard let bytes = Encodings.bytes(base64: token) else {
        throw settings.wrong("token", "what an earlier scan printed")
      }
      query.token = Bytes(bytes)
    }
    return query
  }
}
