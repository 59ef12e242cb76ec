package import KVBase

extension SegmentLog {
  /// True where there is a log that `open` would read.
  package static func isPresent(in directory: Directory) throws(StorageError) -> Bool {
    try directory.list().contains { LogFormat.sequence(ofSegment: $0) != nil }
  }

  /// A new, empty log. Throws `.misuse`, and changes nothing, where there is one.
  package static func create(
    in directory: Directory, identity: LogIdentity, options: LogOptions
  ) throws(StorageError) -> SegmentLog {
    let names = try directory.list()
    guard !names.contains(where: { LogFormat.sequence(ofSegment: $0) != nil }) else {
      throw .misuse("\(directory.path) holds a log already: open it, or give another directory")
    }
    // What an interrupted creation has left.
    for name in names where LogFormat.number(ofSpare: name) != nil { try directory.remove(name) }
    let header = SegmentHeader(
      identity: identity, sequence: 1, salt: options.salt(of: 1), begin: .zero, firstNeeded: 1)
    let name = LogFormat.spareName(1)
    let file = try directory.create(name, size: options.segmentBytes)
    let groups = LogGroups()
    let active = try SegmentWriter.prepare(
      header, header.encoded(with: groups, CheckpointNeeds()), capacity: options.segmentBytes,
      from: SegmentWriter.Spare(name: name, file: file), in: directory)
    var state = RecordIndex<Directory.File>.State()
    state.segments = [active]
    #if PlantedFaults
      state.plantedFault = options.plantedFault
    #endif
    var writer = SegmentWriter(
      directory: directory, identity: identity, options: options,
      index: RecordIndex(state), groups: groups, active: active, isCovered: true, spares: [],
      nextSpareNumber: 2)
    try writer.clear(leftovers: [])
    return SegmentLog(writer: writer, recovered: [], recoveredPartitions: [], tornTailBytes: 0)
  }

  /// Reads the log as it was left. Throws `.foreign` or `.damaged`, with every byte as it was,
  /// where it can't be used; else what is recovered is durable when this returns.
  package static func open(
    in directory: Directory, identity: LogIdentity, options: LogOptions
  ) throws(StorageError) -> SegmentLog {
    var recovery = LogRecovery(
      directory: directory, identity: identity, segmentBytes: options.segmentBytes)
    try recovery.run()
    #if PlantedFaults
      if options.plantedFault == .voteForgottenOnRestart { recovery.forgetVotes() }
      recovery.plant(options.plantedFault)
    #endif
    guard let active = recovery.state.segments.last else {
      preconditionFailure("a recovered log without segments")
    }
    try makeDurable(active, tail: recovery.tail, clearsAfterEnd: recovery.mustClear)
    var spares: [SegmentWriter<Directory>.Spare] = []
    var leftovers = recovery.leftovers
    for name in recovery.spares {
      let file = try directory.open(name)
      // One whose creation was interrupted is too short.
      if file.size == options.segmentBytes, spares.count < options.keptSpares {
        spares.append(SegmentWriter.Spare(name: name, file: file))
      } else {
        leftovers.append(name)
      }
    }
    let highest = recovery.spares.compactMap { LogFormat.number(ofSpare: $0) }.max() ?? 0
    var writer = SegmentWriter(
      directory: directory, identity: identity, options: options,
      index: RecordIndex(recovery.state), groups: recovery.groups, active: active,
      isCovered: recovery.isCovered, spares: spares, nextSpareNumber: highest + 1)
    try writer.clear(leftovers: leftovers)
    return SegmentLog(
      writer: writer, recovered: recovery.groups.sorted,
      recoveredPartitions: recovery.state.sortedPartitions, tornTailBytes: recovery.tornTailBytes)
  }

  /// What was read may be in the page cache only, and after a failed sync before the restart a
  /// further sync would not write it: so the end of the log is written anew. What follows it is
  /// made zero, so that it can't be taken for a batch, or for damage, later.
  private static func makeDurable(
    _ active: Segment<Directory.File>, tail: Bytes, clearsAfterEnd: Bool
  ) throws(StorageError) {
    if !tail.isEmpty { try active.file.write(tail.array, at: active.end - tail.count) }
    if clearsAfterEnd {
      let zeros = [UInt8](repeating: 0, count: min(1 << 20, active.capacity - active.end))
      var offset = active.end
      while offset < active.capacity {
        let count = min(zeros.count, active.capacity - offset)
        try active.file.write(
          count == zeros.count ? zeros : Array(zeros.prefix(count)), at: offset)
        offset += count
      }
    }
    try active.file.sync()
  }
}
