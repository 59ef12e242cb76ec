internal import KVBase

extension PowerLoss {
  /// Rolls the files under the handle's root back. The node's process must be dead. Afterwards what
  /// stands in the files counts as durable.
  package static func apply(
    _ handle: FaultHandle, mode: Mode, seed: UInt64
  ) throws(FaultError) -> PowerLossReport {
    if let pid = handle.process {
      throw FaultError("process \(pid) still runs: a power loss is for a dead one")
    }
    let journal = try Journal(folder: handle.undo)
    var report = PowerLossReport(mode: mode, seed: seed)
    report.caveats = handle.counters.caveats
    var random = SeededRandom(seed: seed)
    let paths = try journal.paths(below: handle.root)
    var order: [Journal.FileID] = []
    var changes: [Journal.FileID: [Journal.Record]] = [:]
    var names: [Journal.NameChange] = []
    for record in journal.records {
      if case .name(let change) = record.change {
        names.append(change)
      } else {
        if changes[record.file] == nil { order.append(record.file) }
        changes[record.file, default: []].append(record)
      }
    }
    for file in order {
      // A file that is gone for good has nothing to lose.
      guard let path = paths[file], let records = changes[file] else { continue }
      let rollback = FileRollback(path: path, records: records, mode: mode)
      let dropped = try rollback.run(&random)
      report.add(dropped, path.below(handle.root, or: handle.undo))
    }
    try undo(names, handle, &random, &report)
    try Journal.clear(folder: handle.undo)
    return report
  }

  /// Names become durable in their order: what is undone is a tail of it.
  private static func undo(
    _ names: [Journal.NameChange], _ handle: FaultHandle, _ random: inout SeededRandom,
    _ report: inout PowerLossReport
  ) throws(FaultError) {
    report.pendingNames = names.count
    let stay = report.mode == .loseAll ? 0 : Int(random.below(UInt64(names.count + 1)))
    for change in names[stay...].reversed() {
      guard try NameRollback(change: change, kept: handle.undo).run(&report) else { continue }
      report.namesDropped += 1
      let name = change.path.below(handle.root, or: handle.undo)
      if !report.files.contains(name) { report.files.append(name) }
    }
  }
}

extension PowerLossReport {
  fileprivate mutating func add(_ dropped: FileRollback.Dropped, _ path: String) {
    pendingWrites += dropped.pending
    writesDropped += dropped.writes
    bytesDropped += dropped.bytes
    if dropped.writes > 0 { files.append(path) }
    if let torn = dropped.torn { self.torn.append("\(path) \(torn)") }
  }
}

extension String {
  /// The path below the root; of what was removed, that it was.
  fileprivate func below(_ root: String, or undo: String) -> String {
    if hasPrefix(root + "/") { return String(dropFirst(root.count + 1)) }
    return hasPrefix(undo + "/") ? "(removed)" : self
  }
}
