import KVBase
import Testing

@testable import KVRaft

/// What a follower has to apply, counted in runs.
struct ApplyBacklogTests {
  private func entry(_ index: UInt64) -> LogEntry {
    LogEntry(
      index: LogIndex(index), term: Term(1), kind: .command, logTimeMilliseconds: 0,
      payload: Bytes([1, 2, 3]))
  }

  /// Many small appends, of which the last one is not committed yet.
  @Test func whatIsCommittedIsCountedHoweverManyAppendsThereWere() {
    var backlog = ApplyBacklog()
    let count = UInt64(Limits.backlogRuns) * 3
    for index in 1...count { backlog.received([entry(index)], logEnd: LogIndex(index)) }
    let size = entry(1).encodedSize
    #expect(backlog.bytes == Int(count) * size)
    #expect(backlog.bytes(through: LogIndex(count - 1)) == Int(count - 1) * size)
    backlog.applied(through: LogIndex(count - 1))
    #expect(backlog.bytes == size)
  }
}
