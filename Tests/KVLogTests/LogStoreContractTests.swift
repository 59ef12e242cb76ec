import KVBase
import KVFiles
import KVLog
import Testing

/// What `LogStore` promises, held against the real log and its twin.
@Suite struct LogStoreContract {
  let one = GroupID(1)
  let two = GroupID(2)

  @Test(arguments: LogKind.allCases)
  func aNewLogHoldsNothing(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    #expect(log.log.recovered.isEmpty)
    #expect(try log.reopened().log.recovered.isEmpty)
  }

  @Test(arguments: LogKind.allCases)
  func whatWasSyncedIsRecovered(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let vote = HardState(term: Term(2), vote: ReplicaID(rawValue: 3))
    let joint = GroupConfiguration(
      voters: [ReplicaID(rawValue: 1)], outgoing: [ReplicaID(rawValue: 2)])
    try log.append(.begin(one), .begin(two), .hardState(one, vote))
    try log.append(
      .entries(one, [.test(1), .test(2), .configuration(3, term: 2, joint)]),
      .entries(two, [.test(1, term: 4)]))
    try log.log.sync()
    let reopened = try log.reopened()
    #expect(reopened.log.recovered.map(\.group) == [one, two])
    let first = try #require(reopened.log.recovered.first?.log)
    #expect(
      first
        == RecoveredLog(
          hardState: vote, generation: Generation(1), baseIndex: .zero, baseTerm: .zero,
          lastIndex: LogIndex(3),
          termRuns: [
            TermRun(term: Term(1), firstIndex: LogIndex(1)),
            TermRun(term: Term(2), firstIndex: LogIndex(3)),
          ],
          configurations: [
            IndexedConfiguration(index: .zero, configuration: .three),
            IndexedConfiguration(index: LogIndex(3), configuration: joint),
          ]))
    #expect(
      try reopened.entries(of: one) == [.test(1), .test(2), .configuration(3, term: 2, joint)])
    #expect(try reopened.entries(of: two) == [.test(1, term: 4)])
  }

  @Test(arguments: LogKind.allCases)
  func readsStopAtTheirLimits(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    try log.append(.begin(one))
    for i in 1...20 as ClosedRange<UInt64> {
      try log.append(.entries(one, [.test(2 * i - 1), .test(2 * i)]), .hardState(one, HardState()))
    }
    func read(_ from: UInt64, _ through: UInt64, _ bytes: Int) throws -> [UInt64] {
      try log.log.read(one, from: LogIndex(from), through: LogIndex(through), maxBytes: bytes)
        .map(\.index.rawValue)
    }
    let size = LogEntry.test(1).encodedSize
    #expect(try read(1, 40, .max) == Array(1...40))
    #expect(try read(8, 11, .max) == Array(8...11))
    #expect(try read(8, 40, 0) == [8])
    #expect(try read(8, 40, size * 5) == Array(8...12))
    #expect(try read(8, 40, size * 5 - 1) == Array(8...11))
    #expect(try read(40, 99, .max) == [40])
    #expect(try read(41, 99, .max) == [])
    #expect(try read(9, 8, .max) == [])
    #expect(throws: StorageError.compacted) { try read(0, 4, .max) }
    #expect(throws: StorageError.compacted) {
      try log.log.read(two, from: LogIndex(1), through: LogIndex(1), maxBytes: 1)
    }
  }

  /// Raft paper §5.3: only what conflicts is replaced.
  @Test(arguments: LogKind.allCases)
  func laterEntriesReplaceFromTheirFirstIndexOnAndNothingBefore(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let four = GroupConfiguration(voters: [1, 2, 3, 4].map { ReplicaID(rawValue: $0) })
    try log.append(.begin(one), .entries(one, (1...6).map { .test($0) }))
    try log.append(.entries(one, [.configuration(7, four), .test(8)]))
    try log.append(.entries(one, [.test(5, term: 3, "new"), .test(6, term: 3, "new")]))
    let expected: [LogEntry] =
      (1...4).map { .test($0) } + [.test(5, term: 3, "new"), .test(6, term: 3, "new")]
    let all = try log.log.read(one, from: LogIndex(1), through: LogIndex(99), maxBytes: .max)
    #expect(all == expected)
    try log.append(.entries(one, [.test(7, term: 3)]))
    try log.log.sync()
    let reopened = try log.reopened()
    #expect(try reopened.entries(of: one) == expected + [.test(7, term: 3)])
    let recovered = try #require(reopened.log.recovered.first?.log)
    #expect(
      recovered.termRuns == [
        TermRun(term: Term(1), firstIndex: LogIndex(1)),
        TermRun(term: Term(3), firstIndex: LogIndex(5)),
      ])
    // The configuration of a replaced entry is rolled back.
    #expect(recovered.configurations.map(\.configuration) == [.three])
  }

  @Test(arguments: LogKind.allCases)
  func aResetForgetsEntriesAndKeepsTermAndVote(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    let vote = HardState(term: Term(5), vote: ReplicaID(rawValue: 2))
    let other = GroupConfiguration(voters: [ReplicaID(rawValue: 9)])
    try log.append(.begin(one), .hardState(one, vote), .entries(one, [.test(1), .test(2)]))
    try log.append(
      .reset(
        one, generation: Generation(2), index: LogIndex(100), term: Term(4), configuration: other),
      .entries(one, [.test(101, term: 4)]))
    #expect(throws: StorageError.compacted) {
      try log.log.read(one, from: LogIndex(100), through: LogIndex(100), maxBytes: 1)
    }
    try log.log.sync()
    let reopened = try log.reopened()
    #expect(
      reopened.log.recovered.first?.log
        == RecoveredLog(
          hardState: vote, generation: Generation(2), baseIndex: LogIndex(100), baseTerm: Term(4),
          lastIndex: LogIndex(101),
          termRuns: [TermRun(term: Term(4), firstIndex: LogIndex(101))],
          configurations: [IndexedConfiguration(index: LogIndex(100), configuration: other)]))
    #expect(try reopened.entries(of: one) == [.test(101, term: 4)])
  }

  @Test(arguments: LogKind.allCases)
  func aRemovedGroupIsGoneAndMayComeBack(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    try log.append(
      .begin(one), .begin(two), .hardState(one, HardState(term: Term(9))),
      .entries(one, [.test(1)]))
    try log.append(.removed(one))
    #expect(throws: StorageError.compacted) {
      try log.log.read(one, from: LogIndex(1), through: LogIndex(1), maxBytes: 1)
    }
    try log.log.sync()
    #expect(try log.reopened().log.recovered.map(\.group) == [two])
    try log.append(.begin(one), .hardState(one, HardState(term: Term(1))))
    try log.log.sync()
    #expect(try log.reopened().log.recovered.first?.log.hardState.term == Term(1))
  }

  @Test(arguments: LogKind.allCases)
  func compactedEntriesAreRefusedAndTheRestStays(kind: LogKind) throws {
    let log = try TestLog.create(kind)
    try log.append(.begin(one), .entries(one, (1...10).map { .test($0, term: 1 + $0 / 4) }))
    try log.log.sync()
    try log.log.compact(one, through: LogIndex(6))
    try log.log.compact(one, through: LogIndex(2))
    #expect(throws: StorageError.compacted) {
      try log.log.read(one, from: LogIndex(6), through: LogIndex(9), maxBytes: .max)
    }
    let rest = try log.log.read(one, from: LogIndex(7), through: LogIndex(10), maxBytes: .max)
    #expect(rest.map(\.index.rawValue) == [7, 8, 9, 10])
    // A group that is not here: its removal may have overtaken the call.
    try log.log.compact(two, through: LogIndex(6))
  }

  @Test(arguments: LogKind.allCases)
  func aBatchLargerThanASegmentStaysWhole(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 4096)
    let large = Bytes([UInt8](repeating: 7, count: Limits.commandBytes))
    try log.append(.begin(one), .entries(one, [.test(1), .test(2, large), .test(3)]))
    try log.append(.entries(one, [.test(4)]))
    try log.log.sync()
    #expect(
      try log.reopened().entries(of: one) == [.test(1), .test(2, large), .test(3), .test(4)])
  }

  @Test(arguments: LogKind.allCases)
  func whatBreaksTheRulesIsRefusedAndFinal(kind: LogKind) throws {
    let wrong: [LogRecord] = [
      .entries(two, [.test(1)]),
      .hardState(two, HardState()),
      .entries(one, [.test(5)]),
      .entries(one, [.test(0)]),
      .entries(one, [.test(4), .test(6)]),
      .entries(one, [.test(4, term: 1)]),
      .entries(one, [.test(4, term: 3), .test(5, term: 2)]),
      .entries(one, [.test(4, term: 3, kind: .configuration, "no configuration")]),
      .hardState(one, HardState(term: Term(6))),
      .hardState(one, HardState(term: Term(7), vote: ReplicaID(rawValue: 2))),
      .hardState(one, HardState(term: Term(7))),
    ]
    for record in wrong {
      let log = try TestLog.create(kind)
      try log.append(
        .begin(one), .hardState(one, HardState(term: Term(7), vote: ReplicaID(rawValue: 1))),
        .entries(one, (1...3).map { .test($0, term: 2) }))
      try log.log.sync()
      let error = try #require(throws: StorageError.self, "\(record)") { try log.append(record) }
      guard case .misuse = error else {
        Issue.record("\(record): \(error)")
        continue
      }
      #expect(throws: error) { try log.log.sync() }
      #expect(try log.reopened().log.recovered.first?.log.lastIndex == LogIndex(3))
    }
  }

  @Test(arguments: LogKind.allCases)
  func readsMayGoOnWhileAnotherThreadWrites(kind: LogKind) async throws {
    let log = try TestLog.create(kind)
    let store = log.log
    let group = one
    try store.append([.begin(group), .entries(group, [.test(1)])])
    let reader = Task.detached {
      var read = 0
      while !Task.isCancelled && read < 1_000_000 {
        do {
          let from = LogIndex(UInt64(read % 400 + 1))
          let entries = try store.read(group, from: from, through: LogIndex(9999), maxBytes: 500)
          for (i, entry) in entries.enumerated() {
            guard entry == .test(from.rawValue + UInt64(i)) else { return false }
          }
        } catch StorageError.compacted {}
        read += 1
        await Task.yield()
      }
      return true
    }
    for i in 2...400 as ClosedRange<UInt64> {
      try store.append([.entries(group, [.test(i)])])
      if i % 8 == 0 { try store.sync() }
      if i % 16 == 0 { try store.compact(group, through: LogIndex(i - 10)) }
    }
    reader.cancel()
    #expect(try await reader.value)
    #expect(log.statistics.segmentsRecycled > 3)
  }
}
