import Foundation
import KVBase
import Testing

@testable import JepsenFaults

/// Power losses that leave a part of what was not synced.
@Suite struct TornWriteTests {
  /// Ten blocks durable, ten more not.
  private func leftover(_ mode: PowerLoss.Mode, seed: UInt64) throws -> (String, PowerLossReport) {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("a")) c", "sync-directory \(rig.root)", "write 1 D 5000", "sync 1")
    for letter in "abcdefghij" { try probe.does("write 1 \(letter) 500") }
    let report = try rig.powerLoss(mode, seed: seed)
    return (try #require(rig.text("a")), report)
  }

  @Test func atTheTearEarlierWritesAreWholeAndLaterOnesGone() throws {
    let whole = "abcdefghij".reduce("") { $0 + String(repeating: $1, count: 500) }
    var lengths: Set<Int> = []
    for seed in 1...12 {
      let (text, report) = try leftover(.tornTail, seed: UInt64(seed))
      #expect(text.hasPrefix(String(repeating: "D", count: 5000)))
      // Zeros stand where the length is durable and the bytes are not.
      let tail = text.dropFirst(5000).split(separator: "\0").first ?? ""
      #expect(whole.hasPrefix(tail))
      #expect(report.bytesDropped == 5000 - tail.utf8.count)
      #expect(report.pendingWrites == 10)
      lengths.insert(tail.utf8.count)
    }
    #expect(lengths.count > 3, "\(lengths)")
    #expect(lengths.contains { $0 % 500 != 0 }, "\(lengths)")
  }

  @Test func reorderedSectorsStayOrGoByThemselves() throws {
    var holes = 0
    for seed in 1...6 {
      let (text, report) = try leftover(.reordered, seed: UInt64(seed))
      #expect(text.hasPrefix(String(repeating: "D", count: 5000)))
      #expect(report.bytesDropped > 0)
      if text.dropFirst(5000).contains("\0") { holes += 1 }
    }
    #expect(holes > 0)
  }

  @Test func oneSeedGivesOneResult() throws {
    for mode in PowerLoss.Mode.allCases {
      let (first, _) = try leftover(mode, seed: 7)
      let (second, _) = try leftover(mode, seed: 7)
      #expect(first == second)
    }
  }

  /// Random changes of one file and syncs of it: what is left is the file at its last sync.
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func losingAllGivesTheFileOfTheLastSync(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does("open 1 \(rig.path("a")) c", "sync-directory \(rig.root)")
    var synced = ""
    for step in 0..<300 {
      let letter = ["p", "q", "r", "s", "t"][Int(random.below(5))]
      let line =
        switch random.below(10) {
        case 0: "truncate 1 \(random.below(3000))"
        case 1: "sync 1"
        case 2: "datasync 1"
        case 3: "write 1 \(letter) \(1 + random.below(900))"
        case 4: "allocate 1 \(random.below(2000)) \(1 + random.below(900))"
        case 5: "writev 1 \(letter) \(2 + random.below(300))"
        default: "pwrite 1 \(random.below(3000)) \(letter) \(1 + random.below(700))"
        }
      try probe.does(line)
      if line.contains("sync") { synced = try #require(rig.text("a"), "step \(step)") }
    }
    _ = try rig.powerLoss()
    #expect(rig.text("a") == synced)
  }

  /// The library's lists stay right where several threads write and sync one file.
  @Test func threadsWriteAndSync() throws {
    let rig = try Rig()
    let probe = try rig.start()
    try probe.does("open 1 \(rig.path("a")) c", "sync-directory \(rig.root)")
    #expect(try probe.say("threads 1 4 200") == "ok 0")
    try probe.does("sync 1")
    let whole = try #require(rig.text("a"))
    try probe.does("threads 1 8 40")
    let report = try rig.powerLoss()
    let text = try #require(rig.text("a"))
    #expect(text.utf8.count == whole.utf8.count)
    #expect(report.caveats.isEmpty)
    // Each place is of one thread, before or after: never a mixture.
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: 64) {
      #expect(Set(bytes[start..<start + 64]).count == 1)
    }
  }

  /// Appends that are never synced, as of a program's own log, do not fill the journal.
  @Test func aLongLogTakesLittleOfTheJournal() throws {
    let rig = try Rig(journalBytes: 64 << 10)
    let probe = try rig.start()
    try probe.does(
      "open 1 \(rig.path("log")) ca", "open 2 \(rig.path("a")) c", "sync-directory \(rig.root)",
      "write 2 x 100", "sync 2")
    for _ in 0..<2000 { try probe.does("write 1 l 50") }
    for _ in 0..<2000 { try probe.does("pwrite 2 0 y 100", "sync 2") }
    let report = try rig.powerLoss()
    #expect(rig.text("log") == "")
    #expect(rig.text("a") == String(repeating: "y", count: 100))
    #expect(report.bytesDropped == 100_000)
    #expect(report.caveats.isEmpty)
    #expect(rig.handle.counters.compactions > 0)
  }
}
