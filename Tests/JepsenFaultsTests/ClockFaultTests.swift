import Foundation
import Testing

@testable import JepsenFaults

/// Clocks that are off, jump, and run at another rate: what the process reads, beside the clocks of
/// the test.
@Suite struct ClockFaultTests {
  private static let second: Int64 = 1_000_000_000

  /// How far the probe's clocks are from those of this process: wall, monotonic.
  private func offsets(_ probe: Probe) throws -> (wall: Int64, monotonic: Int64) {
    let numbers = try probe.numbers("clocks")
    try #require(numbers.count == 5)
    let wall = numbers[0] - Int64(RealClock.wall())
    let monotonic = numbers[1] - Int64(RealClock.monotonic())
    // The other ways to read the wall clock agree, as far as they are exact.
    #expect(abs(numbers[3] - numbers[0]) < Self.second / 2)
    #expect(abs(numbers[4] - numbers[0]) <= Self.second + Self.second / 2)
    return (wall, monotonic)
  }

  private func near(_ value: Int64, _ seconds: Double, within: Double = 1) -> Bool {
    abs(Double(value) / 1e9 - seconds) < within
  }

  @Test func withoutAFaultTheClocksAreReal() throws {
    let rig = try Rig()
    let probe = try rig.start()
    let found = try offsets(probe)
    #expect(near(found.wall, 0) && near(found.monotonic, 0))
    let counters = rig.handle.counters
    #expect(counters.wallReads >= 3 && counters.monotonicReads >= 2)
    #expect(counters.clockReadsChanged == 0)
  }

  @Test(arguments: [3_600_000, -3_600_000])
  func theWallClockJumps(_ milliseconds: Int) throws {
    let rig = try Rig()
    let probe = try rig.start()
    rig.handle.setWallOffset(milliseconds: milliseconds)
    let found = try offsets(probe)
    #expect(near(found.wall, Double(milliseconds) / 1000))
    #expect(near(found.monotonic, 0))
    #expect(rig.handle.clockReading.wallOffsetNanoseconds == Int64(milliseconds) * 1_000_000)
    rig.handle.heal()
    #expect(near(try offsets(probe).wall, 0))
  }

  @Test func theWallClockStrobes() throws {
    let rig = try Rig()
    let probe = try rig.start()
    rig.handle.strobeWall(milliseconds: 100_000, periodMilliseconds: 20)
    var high = 0
    var low = 0
    for _ in 0..<60 {
      let found = try offsets(probe).wall
      if near(found, 100) { high += 1 }
      if near(found, 0) { low += 1 }
      try probe.does("sleep 3")
    }
    #expect(high > 5 && low > 5 && high + low == 60, "\(high) high, \(low) low")
  }

  @Test(arguments: [500_000, -500_000])
  func theMonotonicClocksRunAtAnotherRate(_ rate: Int) throws {
    let rig = try Rig()
    let probe = try rig.start()
    rig.handle.setRate(partsPerMillion: rate)
    let before = try probe.numbers("clocks")
    let begun = RealClock.monotonic()
    try probe.does("sleep 400")
    let after = try probe.numbers("clocks")
    let real = Double(RealClock.monotonic() - begun)
    for clock in [1, 2] {
      let factor = Double(after[clock] - before[clock]) / real
      #expect(abs(factor - (1 + Double(rate) / 1e6)) < 0.15, "\(factor)")
    }
    let read = rig.handle.clockReading
    #expect(
      abs(read.monotonicOffsetNanoseconds - rig.handle.monotonicOffsetNanoseconds) < 200_000_000)
    #expect(read.bootOffsetNanoseconds != 0)
  }

  @Test func theMonotonicClockNeverGoesBack() throws {
    let rig = try Rig()
    let probe = try rig.start()
    let handle = rig.handle
    Thread.detachNewThread {
      for turn in 0..<200 {
        handle.setRate(partsPerMillion: [900_000, -900_000, 0][turn % 3])
        if turn % 50 == 0 { handle.jumpMonotonic(milliseconds: 5) }
        usleep(500)
      }
      handle.healClocks()
    }
    #expect(try probe.say("times-back 150") == "ok 0")
  }

  @Test func aJumpForwardStaysWhenHealed() throws {
    let rig = try Rig()
    let probe = try rig.start()
    rig.handle.jumpMonotonic(milliseconds: 50_000)
    #expect(near(try offsets(probe).monotonic, 50))
    rig.handle.heal()
    #expect(near(try offsets(probe).monotonic, 50))
    probe.kill()
    rig.handle.resetClocks()
    #expect(near(try offsets(try rig.start()).monotonic, 0))
  }

  /// A deadline reckoned by the shown clock is met after the length that was meant.
  @Test(arguments: [7_200_000, -7_200_000])
  func aWaitUntilATimeIsAsLongAsItWasMeant(_ milliseconds: Int) throws {
    let rig = try Rig()
    let probe = try rig.start()
    rig.handle.setWallOffset(milliseconds: milliseconds)
    let taken = try ContinuousClock().measure { try probe.does("wait-on-condition 200") }
    #expect(taken > .milliseconds(150) && taken < .seconds(30), "\(taken)")
    #expect(rig.handle.counters.waitsChanged > 0)
  }

  @Test func waitsFollowTheRateWhereAskedFor() throws {
    let rig = try Rig()
    let probe = try rig.start()
    rig.handle.setRate(partsPerMillion: -500_000, scalesWaits: true)
    let taken = try ContinuousClock().measure { try probe.does("sleep 100") }
    #expect(taken >= .milliseconds(195))
    rig.handle.setRate(partsPerMillion: -500_000)
    #expect(try ContinuousClock().measure { try probe.does("sleep 1") } < .milliseconds(1500))
  }
}
