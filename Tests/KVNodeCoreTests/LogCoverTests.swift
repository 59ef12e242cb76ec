import KVBase
import Testing

@testable import KVLog
@testable import KVNodeCore

/// A node that writes nothing for a while closes its log, once.
@Suite struct LogCoverTests {
  @Test func anIdleNodeClosesItsLogOnce() {
    var log = NodeLog(TestCluster.configuration(1, of: 3, partitions: 2))
    var milliseconds: UInt64 = 5_000
    func covers(_ count: Int) -> Int {
      var covers = 0
      for _ in 0..<count {
        milliseconds += 10
        var outputs = NodeOutputs()
        log.coverIfDue(now: Instant(nanoseconds: milliseconds * 1_000_000), &outputs)
        if outputs.coversLog { covers += 1 }
      }
      return covers
    }
    var now: Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
    // What it was opened with may lack one.
    #expect(covers(100) == 1)
    var outputs = NodeOutputs()
    log.write(LogBatch(), now: Instant(nanoseconds: milliseconds * 1_000_000), &outputs)
    // Not while a write is on its way, and not at once.
    #expect(covers(200) == 0)
    while log.nextPersisted(through: 1, now: now) != nil {}
    #expect(covers(1) == 1)
    #expect(covers(10_000) == 0)
    log.write(LogBatch(), now: Instant(nanoseconds: milliseconds * 1_000_000), &outputs)
    while log.nextPersisted(through: 2, now: now) != nil {}
    #expect(covers(40) == 0)
    #expect(covers(20) == 1)
  }

  /// All of it: a cluster that is left alone damages nothing unseen.
  @Test func damageOfWhatAnIdleNodeHasAcknowledgedIsFound() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    _ = try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)
    try cluster.run(milliseconds: 100)
    let log = cluster.nodes[leader].log
    let written = log.extent.end - LogFormat.segmentHeaderSize
    try cluster.run(milliseconds: 2_000)
    let before = log.extent.end
    try cluster.run(milliseconds: 2_000)
    #expect(log.extent.end == before, "an idle node goes on writing")
    #expect(try log.reopenedImage() == nil)
    for offset in [0, written / 4, written / 2, written - LogFormat.alignment] {
      try log.damage(at: offset)
      let problem = try log.reopenedImage()
      guard case .damaged? = problem else {
        Issue.record("offset \(offset): \(String(describing: problem))")
        return
      }
      try log.damage(at: offset)
    }
  }
}

extension MemoryLog {
  /// Why what is on the disk now can't be opened; `nil`: it can.
  fileprivate func reopenedImage() throws -> StorageError? {
    let directory = MemoryDirectory(files: try directory.contents())
    do throws(StorageError) {
      _ = try MemoryLog.open(in: directory, identity: identity, options: options)
      return nil
    } catch {
      return error
    }
  }
}
