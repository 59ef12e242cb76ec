import KVBase
import KVFiles
import KVLog
import KVNodeCore
import Testing

@testable import KVServer

@Suite struct LogThreadTests {
  private func persist(_ number: UInt64, kibibytes: Int) -> LogThread.Work {
    let entry = LogEntry(
      index: LogIndex(number), term: Term(1), kind: .command, logTimeMilliseconds: 0,
      payload: Bytes([UInt8](repeating: 3, count: kibibytes << 10)))
    let record = LogRecord.entries(GroupID(1), [entry])
    return .persist(
      .init(number: number, records: [record], bytes: LogRecordCodec.encodedSize(record)))
  }

  /// What gathers behind a sync that takes long may be more than a log takes as one batch.
  @Test func whatGatheredIsWrittenInBoundedBatches() throws {
    let directory = try TemporaryDirectory()
    let log = try SegmentedLog.create(
      directory: directory.path + "/log", nodeID: NodeID(1), creationDigest: 1)
    let configuration = GroupConfiguration(voters: [ReplicaID(node: NodeID(1))])
    try log.append([
      .reset(
        GroupID(1), generation: Generation(1), index: .zero, term: .zero,
        configuration: configuration)
    ])
    try log.sync()
    let before = log.statistics
    let work = (1...32 as ClosedRange<UInt64>).map { persist($0, kibibytes: 1000) }
    var durable: [UInt64] = []
    try LogThread.carryOut(work, log) { durable.append($0) }
    let batches = log.statistics.batches - before.batches
    let least = (32 * 1000 << 10) / Limits.logWriteBytes
    #expect(batches >= least, "32 MB were written in \(batches) batches")
    #expect(durable.last == 32)
    // The node hears of progress meanwhile.
    #expect(durable.count > 1 && durable == durable.sorted())
    let read = try log.read(GroupID(1), from: LogIndex(1), through: LogIndex(32), maxBytes: .max)
    #expect(read.map(\.index) == (1...32).map { LogIndex(UInt64($0)) })
  }
}
