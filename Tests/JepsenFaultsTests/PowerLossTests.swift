import Foundation
import Testing

@testable import JepsenFaults

/// What a power loss leaves of the files of a killed process.
@Suite struct PowerLossTests {
  @Test func whatWasSyncedStays() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 4", "sync 1",
      "write 1 y 3")
    let report = try rig.powerLoss()
    #expect(rig.text("a") == "xxxx")
    #expect(report.bytesDropped == 3)
    #expect(report.writesDropped == 1)
    #expect(report.namesDropped == 0)
    #expect(report.files == ["a"])
    #expect(report.caveats.isEmpty)
    #expect(report.didBite)
  }

  @Test func whatWasOverwrittenComesBack() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 10", "datasync 1",
      "pwrite 1 2 y 3", "pwrite 1 4 z 9", "truncate 1 3", "pwrite 1 5 w 1")
    #expect(rig.text("a") == "xxy\0\0w")
    let report = try rig.powerLoss()
    #expect(rig.text("a") == "xxxxxxxxxx")
    #expect(report.writesDropped == 4)
    #expect(report.caveats.isEmpty)
  }

  /// The descriptor that writes can't read: the library reads through one of its own.
  @Test func whatWasOverwrittenThroughAWriteOnlyDescriptorComesBack() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 6", "sync 1",
      "open 2 \(rig.path("a")) w", "pwrite 2 1 y 2", "writev 2 z 2", "copy 2 3", "write 3 w 9")
    #expect(rig.text("a") == "zzwwwwwwwww")
    _ = try rig.powerLoss()
    #expect(rig.text("a") == "xxxxxx")
  }

  @Test func aFileThatWasEmptiedComesBack() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 6", "sync 1",
      "open 2 \(rig.path("a")) t", "write 2 y 2", "truncate-path \(rig.path("a")) 1")
    #expect(rig.text("a") == "y")
    _ = try rig.powerLoss()
    #expect(rig.text("a") == "xxxxxx")
  }

  @Test func allocatedSpaceGoes() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 2", "sync 1",
      "allocate 1 0 100", "posix-allocate 1 0 200")
    #expect(rig.text("a")?.utf8.count == 200)
    _ = try rig.powerLoss()
    #expect(rig.text("a") == "xx")
  }

  @Test func eachWriteOfASyncedDescriptorIsDurable() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) cd", "sync-directory \(rig.root)", "write 1 x 6")
    let report = try rig.powerLoss()
    #expect(rig.text("a") == "xxxxxx")
    #expect(!report.didBite)
  }

  // Names.

  @Test func aNewNameNeedsASyncOfItsDirectory() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does("open 1 \(rig.path("a")) c", "write 1 x 4", "sync 1")
    let report = try rig.powerLoss()
    #expect(rig.names == [])
    #expect(report.namesDropped == 1)
  }

  /// The usual way to replace a file, cut off after each of its steps.
  @Test(arguments: 0...4)
  func replacingAFileIsOldOrNew(_ steps: Int) throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "write 1 o 3", "sync 1", "sync-directory \(rig.root)")
    let way = [
      "open 2 \(rig.path("a.new")) c", "write 2 n 3", "sync 2",
      "rename \(rig.path("a.new")) \(rig.path("a"))", "sync-directory \(rig.root)",
    ]
    for line in way.prefix(steps + 1) { try probe.does(line) }
    _ = try rig.powerLoss()
    #expect(rig.text("a") == (steps == 4 ? "nnn" : "ooo"))
    #expect(rig.names == ["a"])
  }

  @Test func aRemovedFileComesBack() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "write 1 x 3", "sync 1", "open 2 \(rig.path("b")) c",
      "sync-directory \(rig.root)", "unlink \(rig.path("b"))", "sync-directory \(rig.root)",
      "link \(rig.path("a")) \(rig.path("c"))", "write 1 y 3", "unlink \(rig.path("a"))")
    #expect(rig.names == ["c"])
    _ = try rig.powerLoss()
    #expect(rig.names == ["a"])
    #expect(rig.text("a") == "xxx")
  }

  @Test func directoriesAreNamesToo() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "mkdir \(rig.path("old"))", "sync-directory \(rig.root)", "rmdir \(rig.path("old"))",
      "mkdir \(rig.path("new"))", "open 1 \(rig.path("new"))/a c", "write 1 x 3", "sync 1",
      "sync-directory \(rig.path("new"))")
    _ = try rig.powerLoss()
    #expect(rig.names == ["old"])
  }

  // Over several processes.

  /// A kill leaves unsynced bytes with the system: they are still not durable.
  @Test func aRestartMakesNothingDurable() throws {
    let rig = try Rig()
    let first = try rig.start()
    try first.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 4", "sync 1",
      "write 1 y 4")
    first.kill()
    let second = try rig.start()
    #expect(rig.text("a") == "xxxxyyyy")
    try second.does("open 1 \(rig.path("a")) a", "write 1 z 4")
    let report = try rig.powerLoss()
    #expect(rig.text("a") == "xxxx")
    #expect(report.bytesDropped == 8)
    #expect(rig.handle.counters.loads == 2)
  }

  @Test func theNextProcessMakesItDurable() throws {
    let rig = try Rig()
    let first = try rig.start()
    try first.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 y 4")
    first.kill()
    let second = try rig.start()
    try second.does("open 1 \(rig.path("a")) r", "sync 1")
    #expect(try rig.powerLoss().didBite == false)
    #expect(rig.text("a") == "yyyy")
  }

  @Test func aPowerLossIsAppliedOnce() throws {
    let rig = try Rig()
    try rig.start().does("open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 y 4")
    #expect(try rig.powerLoss().didBite)
    #expect(try rig.powerLoss().didBite == false)
    try rig.start().does("open 1 \(rig.path("a")) c", "write 1 z 4", "sync 1", "write 1 u 4")
    #expect(try rig.powerLoss().bytesDropped == 4)
    #expect(rig.text("a") == "zzzz")
  }

  @Test func aRunningProcessIsRefused() throws {
    let rig = try Rig()
    let probe = try rig.start()
    #expect(throws: FaultError.self) {
      try PowerLoss.apply(rig.handle, mode: .loseAll, seed: 1)
    }
    try probe.does("sleep 0")
  }

  // What can't be followed is said.

  @Test func aChildProcessAndASharedMappingAreNotFollowed() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 x 4096", "sync 1",
      "child 1 y 3", "map 1")
    let report = try rig.powerLoss()
    #expect(!report.didBite)
    #expect(report.caveats == ["1 writable shared mappings"])
  }

  @Test func aFullJournalIsSaid() throws {
    let rig = try Rig(journalBytes: 64 << 10)
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "write 1 x 200000", "sync 1", "pwrite 1 0 y 100000")
    #expect(try rig.powerLoss().caveats == ["the journal was full 1 times"])
  }
}
