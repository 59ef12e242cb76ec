import Foundation
import Testing

@testable import JepsenFaults

/// Disks that fail, lie, are full, or slow.
@Suite struct DiskFaultTests {
  private func rigWithFile() throws -> (Rig, Probe) {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 9", "sync 1")
    return (rig, probe)
  }

  @Test func whatASyncFailedForIsNeverDurable() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.failSyncs(1, of: "/a")
    try probe.does("pwrite 1 2 b 4")
    #expect(try probe.say("datasync 1") == "error \(EIO)")
    // The next sync has success, and covers only what was written since.
    try probe.does("pwrite 1 4 c 3", "sync 1", "pwrite 1 0 d 1")
    #expect(rig.text("a") == "dxbbcccxx")
    _ = try rig.powerLoss()
    #expect(rig.text("a") == "xxxxcccxx")
    #expect(rig.handle.counters.syncsFailed == 1)
  }

  @Test func aPatternChoosesTheFiles() throws {
    let (rig, probe) = try rigWithFile()
    try probe.does("open 2 \(rig.path("b.sst")) c", "write 2 x 1")
    rig.handle.failSyncs(5, of: ".sst")
    try probe.does("sync 1")
    #expect(try probe.say("sync 2") == "error \(EIO)")
    // A file goes by its new name.
    try probe.does("rename \(rig.path("b.sst")) \(rig.path("b.log"))", "sync 2")
    rig.handle.heal()
    try probe.does("rename \(rig.path("b.log")) \(rig.path("c.sst"))", "sync 2")
    #expect(rig.handle.counters.syncsFailed == 1)
  }

  @Test func aLyingSyncMakesNothingDurable() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.lieAboutSyncs(true)
    try probe.does(
      "write 1 y 3", "sync 1", "open 2 \(rig.path("b")) c", "sync-directory \(rig.root)")
    let report = try rig.powerLoss()
    #expect(rig.text("a") == "xxxxxxxxx")
    #expect(rig.names == ["a"])
    #expect(report.bytesDropped == 3)
    #expect(rig.handle.counters.syncsLied == 2)
  }

  @Test func aFullDiskTakesWhatFitsAndThenRefuses() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.limitSpace(toBytes: 10)
    try probe.does("pwrite 1 0 y 9")
    #expect(try probe.say("write 1 z 14") == "ok 10")
    #expect(try probe.say("write 1 z 1") == "error \(ENOSPC)")
    #expect(try probe.say("allocate 1 0 100") == "error \(ENOSPC)")
    #expect(try probe.say("posix-allocate 1 0 100") == "error \(ENOSPC)")
    #expect(try probe.say("open 2 \(rig.path("b")) c") == "error \(ENOSPC)")
    #expect(try probe.say("mkdir \(rig.path("d"))") == "error \(ENOSPC)")
    try probe.does("pwrite 1 0 w 9")
    #expect(rig.handle.counters.spaceRefusals == 6)
    rig.handle.freeSpace()
    try probe.does(
      "write 1 z 4", "open 2 \(rig.path("b")) c", "sync 1", "sync-directory \(rig.root)")
    _ = try rig.powerLoss()
    #expect(rig.text("a") == "wwwwwwwwwzzzzzzzzzzzzzz")
    #expect(rig.names == ["a", "b"])
  }

  @Test func overwritesCountWhereAskedFor() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.limitSpace(toBytes: 4, countsOverwrites: true)
    #expect(try probe.say("pwrite 1 0 y 9") == "ok 4")
    #expect(try probe.say("pwrite 1 0 y 9") == "error \(ENOSPC)")
  }

  @Test func aSlowDiskTakesLonger() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.slowDisk(writeMicroseconds: 20_000, syncMicroseconds: 50_000)
    let clock = ContinuousClock()
    let taken = try clock.measure { try probe.does("write 1 y 1", "sync 1") }
    #expect(taken >= .milliseconds(70))
    let counters = rig.handle.counters
    #expect(counters.delays == 2)
    #expect(counters.delayNanoseconds >= 70_000_000)
    rig.handle.heal()
    try probe.does("write 1 y 1")
    #expect(rig.handle.counters.delays == 2)
  }

  @Test func aStallLastsUntilItsEndOrItsTime() throws {
    let (rig, probe) = try rigWithFile()
    let clock = ContinuousClock()
    rig.handle.stall(forMilliseconds: 150)
    #expect(try clock.measure { try probe.does("write 1 y 1", "sync 1") } >= .milliseconds(140))
    rig.handle.stall(forMilliseconds: 600_000)
    let handle = rig.handle
    Thread.detachNewThread {
      while handle.counters.stalledNow == 0 { usleep(1000) }
      handle.endStall()
    }
    #expect(try clock.measure { try probe.does("sync 1") } < .seconds(60))
    #expect(handle.counters.stalls == 2)
    #expect(handle.counters.stalledNow == 0)
  }

  @Test func readsHaveABitFlipped() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.flipReads(perMillion: 1_000_000)
    let answer = try probe.say("read 1 0 9").unicodeScalars.dropFirst(3)
    let wrong = zip(answer, "xxxxxxxxx".unicodeScalars).filter { $0 != $1 }
    #expect(answer.count == 9 && wrong.count == 1)
    for (found, written) in wrong where found != "\u{FFFD}" {
      // With its highest bit flipped an x is no text any more, and is shown so.
      #expect((found.value ^ written.value).nonzeroBitCount == 1)
    }
    rig.handle.heal()
    #expect(try probe.say("read 1 0 9") == "ok xxxxxxxxx")
    #expect(rig.handle.counters.readsFlipped == 1)
    #expect(rig.handle.counters.reads == 2)
  }

  @Test func readsTakeLonger() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.delayReads(byMicroseconds: 50_000, of: "/a")
    let clock = ContinuousClock()
    let length = try clock.measure { try probe.does("read 1 0 9") }
    #expect(length >= .milliseconds(50))
    #expect(rig.handle.counters.readsDelayed == 1)
    rig.handle.heal()
    try probe.does("read 1 0 9")
    #expect(rig.handle.counters.readsDelayed == 1)
  }

  @Test func bitsRotAndAreRestored() throws {
    let (rig, probe) = try rigWithFile()
    probe.kill()
    let rot = try BitRot.flip(
      below: rig.root, of: "/a", bits: 3, seed: 5, backup: rig.folder + "/backup")
    #expect(rot.flips.count == 3)
    #expect(rig.text("a") != "xxxxxxxxx")
    try rot.restore()
    #expect(rig.text("a") == "xxxxxxxxx")
    #expect(throws: FaultError.self) {
      try BitRot.flip(below: rig.root, of: ".sst", bits: 1, seed: 5, backup: rig.folder + "/b")
    }
  }

  // What the library is for.

  @Test func filesOutsideTheRootAreLeftAlone() throws {
    let (rig, probe) = try rigWithFile()
    rig.handle.failSyncs(9)
    rig.handle.limitSpace(toBytes: 0)
    let outside = rig.folder + "/outside"
    try probe.does("open 3 \(outside) c", "write 3 x 5", "sync 3")
    let writes = rig.handle.counters.writes
    #expect(writes == 1)
  }

  @Test func aProcessWithoutTheControlFileIsLeftAlone() throws {
    let (rig, _) = try rigWithFile()
    var environment = rig.handle.environment
    environment["JEPSEN_FAULTS_CONTROL"] = rig.folder + "/none"
    let free = try Probe(environment: environment)
    defer { free.kill() }
    try free.does("open 1 \(rig.path("b")) c", "write 1 x 5", "sync 1")
    #expect(rig.handle.counters.loads == 1)
  }

  /// Only one process at a time has the journal.
  @Test func aSecondProcessIsLeftAlone() throws {
    let (rig, probe) = try rigWithFile()
    let second = try Probe(environment: rig.handle.environment)
    defer { second.kill() }
    try second.does("open 1 \(rig.path("b")) c", "write 1 x 5")
    #expect(rig.handle.counters.loads == 1)
    #expect(rig.handle.process == probe.pid)
    probe.kill()
    #expect(rig.handle.process == nil)
    #expect(!rig.handle.isLoaded)
  }

  @Test func aProgramThatLoadsNothingIsSaid() throws {
    let (rig, _) = try rigWithFile()
    #expect(FaultLibrary.trouble(with: "/bin/sh") == nil)
    #expect(FaultLibrary.trouble(with: rig.path("a")) != nil)
    #expect(FaultLibrary.trouble(with: rig.path("none")) != nil)
  }
}
