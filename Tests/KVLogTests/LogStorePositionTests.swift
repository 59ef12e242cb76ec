import KVBase
import KVFiles
import KVLog
import Synchronization
import Testing

/// Positions, data records, and what holds log back.
@Suite struct LogStorePositions {
  let group = GroupID(1)
  let first = PartitionID(1)
  let second = PartitionID(2)

  private func data(_ partition: PartitionID, _ text: String) -> LogRecord {
    .data(.ap, partition, Bytes(text))
  }

  /// All of a replica's records from a position on, each call with room for one.
  private func replay(
    _ log: TestLog, _ replica: LogReplica, from: LogPosition
  ) throws -> [PositionedRecord] {
    var records: [PositionedRecord] = []
    var next: LogPosition? = from
    while let position = next {
      let replay = try log.log.replay(replica, from: position, maxBytes: 0)
      #expect(replay.records.count <= 1)
      records += replay.records
      next = replay.next
    }
    return records
  }

  @Test(arguments: LogKind.allCases)
  func aBatchSaysWhereItsRecordsAre(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let records = [LogRecord.begin(group), data(first, "a"), data(second, "bc"), data(first, "d")]
    let span = try log.log.append(records)
    var positions: [LogPosition] = []
    var position = span.start
    for record in records {
      positions.append(position)
      position = position + LogRecordCodec.encodedSize(record)
    }
    #expect(position <= span.end)
    #expect(span.end == log.log.end)
    #expect(try log.log.append([]) == LogSpan(start: span.end, end: span.end))
    // Before and after a sync and a restart.
    let expected = [
      PositionedRecord(position: positions[1], record: records[1]),
      PositionedRecord(position: positions[3], record: records[3]),
    ]
    #expect(try replay(log, .ap(first), from: positions[1]) == expected)
    try log.log.sync()
    let reopened = try log.reopened()
    #expect(try replay(reopened, .ap(first), from: positions[1]) == expected)
    #expect(try replay(reopened, .ap(first), from: positions[2]) == [expected[1]])
    #expect(try replay(reopened, .ap(first), from: span.end) == [])
    #expect(
      reopened.log.recoveredPartitions == [
        RecoveredPartition(
          partition: first, releasedBefore: positions[1], neededFrom: positions[1]),
        RecoveredPartition(
          partition: second, releasedBefore: positions[2], neededFrom: positions[2]),
      ])
    #expect(reopened.log.end == span.end)
  }

  @Test(arguments: LogKind.allCases)
  func positionsRiseOverRecyclingAndRestarts(kind: LogKind) throws {
    var log = try TestLog.create(kind, segmentBytes: 1024)
    var last = LogPosition.zero
    var seen: [LogPosition] = []
    var recycled = 0
    for i in 0..<300 {
      let span = try log.append(data(first, "value \(i)"))
      #expect(span.start > last)
      last = span.end
      seen.append(span.start)
      try log.log.sync()
      if i >= 5 { try log.log.release(.ap, first, before: seen[i - 5]) }
      if i % 37 == 0 {
        recycled += log.statistics.segmentsRecycled
        log = try log.reopened()
      }
    }
    #expect(recycled > 5)
    #expect(last.rawValue > 20 * 1024)
    #expect(try log.image.count <= 6)
    let found = try replay(log, .ap(first), from: seen[294])
    #expect(found.map(\.position) == Array(seen[294...]))
    #expect(found.last?.record == data(first, "value 299"))
  }

  @Test(arguments: LogKind.allCases)
  func aReplayOfAGroupLeavesOutWhatIsCompactedOrReplaced(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    try log.append(.begin(group), .entries(group, (1...4).map { .test($0) }))
    try log.append(.entries(group, (5...8).map { .test($0) }), data(first, "between"))
    let third = try log.append(.entries(group, [.test(7, term: 2), .test(8, term: 2)]))
    try log.log.compact(group, through: LogIndex(2))
    let from = try #require(try log.log.position(of: group, LogIndex(3)))
    #expect(try log.log.position(of: group, LogIndex(4)) == from)
    #expect(try log.log.position(of: group, LogIndex(2)) == nil)
    #expect(try log.log.position(of: group, LogIndex(7)) == third.start)
    #expect(try log.log.position(of: group, LogIndex(9)) == nil)
    #expect(try log.log.firstIndex(of: group, at: from) == LogIndex(3))
    #expect(try log.log.firstIndex(of: group, at: from + 1) == LogIndex(5))
    #expect(try log.log.firstIndex(of: group, at: third.end) == nil)
    let found = try replay(log, .cp(group), from: from)
    #expect(
      found.map(\.record) == [
        .entries(group, [.test(3), .test(4)]), .entries(group, [.test(5), .test(6)]),
        .entries(group, [.test(7, term: 2), .test(8, term: 2)]),
      ])
    #expect(found.first?.position == from)
    #expect(found.last?.position == third.start)
    #expect(throws: StorageError.compacted) {
      try log.log.replay(.cp(group), from: .zero, maxBytes: 1)
    }
    #expect(throws: StorageError.compacted) {
      try log.log.replay(.cp(GroupID(9)), from: from, maxBytes: 1)
    }
  }

  @Test(arguments: LogKind.allCases)
  func whatWasReleasedIsRefused(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let spans = try (0..<4).map { try log.append(data(first, "\($0)")) }
    try log.log.release(.ap, first, before: spans[2].start)
    try log.log.release(.ap, first, before: spans[1].start)
    #expect(throws: StorageError.compacted) {
      try log.log.replay(.ap(first), from: spans[1].start, maxBytes: 1)
    }
    #expect(throws: StorageError.compacted) {
      try log.log.replay(.ap(second), from: spans[2].start, maxBytes: 1)
    }
    #expect(try replay(log, .ap(first), from: spans[2].start).count == 2)
    // One that is not here: its removal may have overtaken the call.
    try log.log.release(.ap, second, before: spans[1].start)
  }

  /// The least position that any replica needs, of either plane, holds back all after it.
  @Test(arguments: LogKind.allCases)
  func eachReplicaHoldsBackTheLogFromWhatItNeeds(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    let begin = try log.append(
      .begin(group), data(first, "old"), .entries(group, [.test(1)]), data(second, "old"))
    for i in 0..<200 { try log.append(data(second, "value \(i)")) }
    let own = LogRecordCodec.encodedSize(data(first, "old"))
    let held = try #require(log.log.retention(of: .ap(first)))
    let neededFrom = begin.start + LogRecordCodec.encodedSize(.begin(group))
    #expect(
      held
        == LogRetention(
          neededFrom: neededFrom, heldBytes: log.log.end - neededFrom, ownBytes: own))
    #expect(log.log.retention(of: .ap(PartitionID(9))) == nil)
    try log.log.release(.ap, second, before: log.log.end)
    #expect(
      log.log.retention(of: .ap(second))
        == LogRetention(neededFrom: nil, heldBytes: 0, ownBytes: 0))
    #expect(log.log.retainedBytes > 10 * 1024)
    try log.log.compact(group, through: LogIndex(1))
    #expect(log.log.retainedBytes > 10 * 1024)
    #expect(log.log.retention(of: .cp(group))?.heldBytes == 0)
    try log.log.release(.ap, first, before: log.log.end)
    #expect(log.log.retainedBytes <= 1024)
    for i in 0..<20 {
      let span = try log.append(data(second, "value \(i)"))
      try log.log.release(.ap, second, before: span.end)
    }
    try log.log.sync()
    #expect(try log.image.count <= 6)
    // A partition that holds nothing is still known, by the checkpoint.
    let reopened = try log.reopened()
    #expect(reopened.log.recoveredPartitions.map(\.partition) == [first, second])
    #expect(reopened.log.recoveredPartitions.first?.neededFrom == nil)
    let released = try #require(reopened.log.recoveredPartitions.first?.releasedBefore)
    #expect(try replay(reopened, .ap(first), from: released) == [])
  }

  @Test(arguments: LogKind.allCases)
  func misuseOfDataAndReleaseIsFinal(kind: LogKind) throws {
    let long = Bytes([UInt8](repeating: 1, count: Limits.logDataBytes + 1))
    let uses: [(TestLog) throws -> Void] = [
      { try $0.append(.data(.cp, PartitionID(1), "value")) },
      { try $0.append(.data(.ap, PartitionID(1), long)) },
      { try $0.log.release(.cp, PartitionID(1), before: .zero) },
      { try $0.log.release(.ap, PartitionID(1), before: $0.log.end + 1) },
    ]
    for use in uses {
      let log = try TestLog.create(kind)
      try log.append(data(first, "value"))
      let error = try #require(throws: StorageError.self) { try use(log) }
      guard case .misuse = error else {
        Issue.record("\(error)")
        continue
      }
      #expect(throws: error) { try log.log.sync() }
    }
  }

  @Test(arguments: LogKind.allCases)
  func dataOfTheGreatestLengthIsKept(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let long = Bytes([UInt8](repeating: 1, count: Limits.logDataBytes))
    let span = try log.append(.data(.ap, first, long))
    try log.log.sync()
    let found = try replay(log.reopened(), .ap(first), from: span.start)
    #expect(found.map(\.record) == [.data(.ap, first, long)])
  }

  @Test(arguments: LogKind.allCases)
  func damageFoundByAReplayIsFinal(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let span = try log.append(data(first, "value"))
    try log.log.sync()
    let offset = span.end - .zero - 8
    switch log.store {
    case .real(_, let directory):
      var image = try directory.contents
      image[log.activeName]?[offset - 1] ^= 0x55
      try directory.write(image)
    case .memory(let memory):
      try memory.damage(at: offset - 1 - LogFormat.segmentHeaderSize, mask: 0x55)
    }
    let error = try #require(throws: StorageError.self) {
      try log.log.replay(.ap(first), from: span.start, maxBytes: 1)
    }
    guard case .damaged(let text) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(text.contains(log.activeName))
    #expect(throws: error) { try log.log.sync() }
  }

  /// A checkpoint says what each replica needs of the segments before it: where the header lets a
  /// segment go all the same, the log is damaged, and not shorter.
  @Test(arguments: LogKind.allCases)
  func aNeededSegmentThatIsMissingIsDamage(kind: LogKind) throws {
    for record in [data(first, "old"), .entries(group, [.test(1)])] {
      let log = try TestLog.create(kind, segmentBytes: 1024)
      try log.append(.begin(group), data(second, "old"))
      let span = try log.append(record)
      for i in 0..<100 { try log.append(data(second, "value \(i)")) }
      try log.log.release(.ap, second, before: log.log.end)
      for i in 0..<20 { try log.append(data(second, "value \(i)")) }
      try log.log.sync()
      var image = try log.image
      let bytes = try #require(image[log.activeName])
      var header = try SegmentHeader(Bytes(bytes))
      #expect(header.firstNeeded == 1)
      for sequence in 1..<header.sequence { image[LogFormat.segmentName(sequence)] = nil }
      header.firstNeeded = header.sequence
      var writer = ByteWriter()
      header.encode(into: &writer)
      image[log.activeName]?.replaceSubrange(0..<writer.count, with: writer.bytes)
      let (result, after) = try TestLog.attempt(kind, image, options: log.options)
      guard case .failure(.damaged(let text)) = result else {
        Issue.record("\(result)")
        continue
      }
      #expect(text.contains("needed from position \(span.start) on"), "\(text)")
      #expect(after == image)
    }
  }
}

/// Entries that are replaced, and whose segment is recycled, between a reader's look into the index
/// and its look into the file.
@Suite struct ReadDuringRecycling {
  @Test func replacedEntriesAreReadAnewAndAreNoDamage() throws {
    let group = GroupID(1)
    let scratch = try ScratchDirectory()
    let directory = try WatchedDirectory(scratch.path)
    let log = try SegmentLog.create(
      in: directory, identity: LogIdentity(node: TestLog.node, creationDigest: TestLog.digest),
      options: LogOptions(segmentBytes: 1024, saltSeed: 7))
    try log.append([.begin(group), .entries(group, [.test(1)])])
    try log.sync()
    directory.watch.beforeRead.withLock {
      $0 = { () throws(StorageError) in
        // All entries are replaced again and again, until the first segment has another's contents.
        for term in 2...100 as ClosedRange<UInt64> {
          try log.append([.entries(group, [.test(1, term: term)])])
          try log.sync()
        }
      }
    }
    let found = try log.read(group, from: LogIndex(1), through: LogIndex(9), maxBytes: 100)
    #expect(found == [.test(1, term: 100)])
    #expect(log.statistics.segmentsRecycled > 5)
    try log.sync()
  }
}

#if PlantedFaults
  /// Safety: a segment that holds a needed position is never recycled.
  @Suite struct RecyclingPlantedFault {
    private func found(_ fault: PlantedFault?) throws -> Int {
      var found = 0
      for seed in 0..<20 as Range<UInt64> {
        do {
          var experiment = try LogExperiment(.memory, seed: seed, segmentBytes: 1024) {
            $0.plantedFault = fault
          }
          if try experiment.run(steps: 400) != nil { found += 1 }
        } catch {
          found += 1
        }
      }
      return found
    }

    @Test func theModelFindsASegmentThatIsRecycledTooEarly() throws {
      #expect(try found(nil) == 0)
      #expect(try found(.neededSegmentRecycled) == 20)
    }

    @Test(arguments: LogKind.allCases)
    func aReadAndAStartFindASegmentThatIsRecycledTooEarly(kind: LogKind) throws {
      let log = try TestLog.create(kind, segmentBytes: 1024) {
        $0.plantedFault = .neededSegmentRecycled
      }
      let quiet = GroupID(2)
      try log.append(.begin(quiet), .entries(quiet, [.test(1)]))
      for i in 0..<100 {
        let span = try log.append(.data(.ap, PartitionID(1), Bytes("value \(i)")))
        try log.log.release(.ap, PartitionID(1), before: span.start)
        try log.log.sync()
      }
      #expect(throws: StorageError.self) { try log.reopened() }
      let error = #expect(throws: StorageError.self) {
        try log.log.read(quiet, from: LogIndex(1), through: LogIndex(1), maxBytes: 1)
      }
      #expect(error?.description.contains("segment was recycled") == true)
    }
  }
#endif
