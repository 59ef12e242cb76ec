import KVBase
import KVFiles
import KVLog
import Testing

@Suite struct LogStoreRecycling {
  let busy = GroupID(1)
  let quiet = GroupID(2)

  private func write(_ log: TestLog, _ group: GroupID, _ indexes: ClosedRange<UInt64>) throws {
    for i in indexes {
      try log.append(.entries(group, [.test(i)]))
      try log.log.sync()
    }
  }

  @Test(arguments: LogKind.allCases)
  func spaceIsBoundedWhereGroupsAreCompacted(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    try log.append(.begin(busy), .begin(quiet))
    for round in 0..<40 as Range<UInt64> {
      try write(log, busy, round * 10 + 1...round * 10 + 10)
      try log.log.compact(busy, through: LogIndex(round * 10 + 5))
      #expect(try log.image.count <= 6)
      #expect(log.log.retainedBytes <= 3 * 1024)
    }
    #expect(log.statistics.segmentsRecycled > 20)
    let reopened = try log.reopened()
    #expect(try reopened.entries(of: busy).last == .test(400))
    #expect(try reopened.image.count <= 6)
  }

  @Test(arguments: LogKind.allCases)
  func oneGroupHoldsBackAllSegmentsFromItsFirstEntryOn(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    try log.append(.begin(busy), .begin(quiet), .entries(quiet, [.test(1)]))
    try write(log, busy, 1...200)
    try log.log.compact(busy, through: LogIndex(200))
    let retained = log.log.retainedBytes
    #expect(retained > 10 * 1024)
    #expect(
      try log.log.read(quiet, from: LogIndex(1), through: LogIndex(1), maxBytes: 1) == [.test(1)])
    try log.log.compact(quiet, through: LogIndex(1))
    #expect(log.log.retainedBytes <= 1024)
    // The files go when the next segment begins.
    try write(log, busy, 201...220)
    #expect(try log.image.count <= 6)
    let recovered = try log.reopened().log.recovered
    #expect(recovered.map(\.group) == [busy, quiet])
    #expect(recovered.last?.log.baseIndex == LogIndex(1))
    #expect(recovered.last?.log.configurations.map(\.configuration) == [.three])
  }

  /// Neither a hard state nor a configuration goes with the segment in which it was written.
  @Test(arguments: LogKind.allCases)
  func checkpointsCarryWhatOldSegmentsSaid(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    let vote = HardState(term: Term(8), vote: ReplicaID(rawValue: 2))
    let four = GroupConfiguration(voters: [1, 2, 3, 4].map { ReplicaID(rawValue: $0) })
    try log.append(
      .begin(busy), .begin(quiet), .hardState(quiet, vote),
      .entries(quiet, [.test(1, term: 3), .configuration(2, term: 7, four)]))
    try log.log.compact(quiet, through: LogIndex(2))
    try write(log, busy, 1...200)
    try log.log.compact(busy, through: LogIndex(200))
    try write(log, busy, 201...220)
    #expect(try log.image[LogFormat.segmentName(1)] == nil)
    let recovered = try log.reopened().log.recovered
    #expect(
      recovered.last?.log
        == RecoveredLog(
          hardState: vote, generation: Generation(1), baseIndex: LogIndex(2), baseTerm: Term(7),
          lastIndex: LogIndex(2), termRuns: [],
          configurations: [IndexedConfiguration(index: LogIndex(2), configuration: four)]))
  }

  @Test(arguments: LogKind.allCases)
  func aRemovedOrResetGroupHoldsNothingBack(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    try log.append(.begin(busy), .begin(quiet), .entries(quiet, [.test(1)]))
    try write(log, busy, 1...100)
    try log.append(
      .removed(quiet),
      .reset(
        busy, generation: Generation(2), index: LogIndex(500), term: Term(1),
        configuration: .three))
    #expect(log.log.retainedBytes <= 1024)
    try write(log, busy, 501...520)
    #expect(try log.image.count <= 6)
    #expect(try log.reopened().log.recovered.map(\.group) == [busy])
  }

  /// Files that a crash between recycling and its last step left behind are cleared.
  @Test(arguments: LogKind.allCases)
  func leftoversAreClearedAtStart(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    try log.append(.begin(busy))
    var old: LogImage = [:]
    for i in 1...60 as ClosedRange<UInt64> {
      try write(log, busy, i...i)
      try log.log.compact(busy, through: LogIndex(i))
      old.merge(try log.image) { before, _ in before }
    }
    var image = try log.image
    for name in old.keys where LogFormat.sequence(ofSegment: name) != nil {
      image[name] = image[name] ?? old[name]
    }
    image[LogFormat.spareName(999)] = [1, 2, 3]
    let opened = try TestLog.open(kind, image, options: log.options)
    #expect(opened.log.recovered.first?.log.lastIndex == LogIndex(60))
    let names = try opened.image.keys
    #expect(names.filter { LogFormat.number(ofSpare: $0) != nil }.count <= 2)
    #expect(!names.contains(LogFormat.spareName(999)))
    #expect(!names.contains(LogFormat.segmentName(1)))
    try write(opened, busy, 61...120)
    #expect(try opened.reopened().log.recovered.first?.log.lastIndex == LogIndex(120))
  }

  @Test func aLogIsMadeOnceAndLockedWhileOpen() throws {
    let scratch = try ScratchDirectory()
    let path = scratch.path + "/log"
    #expect(try !SegmentedLog.isPresent(directory: path))
    var log: SegmentedLog? = try SegmentedLog.create(
      directory: path, nodeID: NodeID(1), creationDigest: 2)
    try log?.append([.begin(busy)])
    try log?.sync()
    let inUse = try #require(throws: StorageError.self) {
      try SegmentedLog.open(directory: path, nodeID: NodeID(1), creationDigest: 2)
    }
    #expect(inUse.description.contains("in use"))
    log = nil
    #expect(try SegmentedLog.isPresent(directory: path))
    let again = try #require(throws: StorageError.self) {
      try SegmentedLog.create(directory: path, nodeID: NodeID(1), creationDigest: 2)
    }
    #expect(again.description.contains("holds a log already"))
    log = try SegmentedLog.open(directory: path, nodeID: NodeID(1), creationDigest: 2)
    #expect(log?.recovered.map(\.group) == [busy])
  }
}
