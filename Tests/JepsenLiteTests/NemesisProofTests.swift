import Testing

@testable import JepsenLite

@Suite struct NemesisProofTests {
  /// A clock that an earlier fault has left shifted shows nothing of this one.
  @Test func aClockProvesOnlyWhatItDidSinceTheFaultBegan() {
    let before = RateLook(shown: -68_000_000, expected: -68_000_000)
    let still = RateLook(shown: -68_000_000, expected: -40_000_000).since(before)
    #expect(!still.isAsExpected)
    let further = RateLook(shown: -88_000_000, expected: -40_000_000).since(before)
    #expect(!further.isAsExpected)
    let back = RateLook(shown: -45_000_000, expected: -40_000_000).since(before)
    #expect(back.isAsExpected && back.shown == 23_000_000)
    let hardly = RateLook(shown: -60_000_000, expected: -40_000_000).since(before)
    #expect(!hardly.isAsExpected)
    #expect(!before.since(before).isAsExpected)
  }

  @Test func aWallClockProvesOnlyWhatWasReadInTheFault() {
    let jump = ClockFault.jump(milliseconds: -5000)
    var looks = ClockLooks()
    for _ in 0..<10 { looks.add(nil, jump) }
    #expect(!looks.isAsExpected(jump))
    looks.add(0, jump)
    #expect(!looks.isAsExpected(jump))
    looks.add(-5_000_000_000, jump)
    #expect(looks.isAsExpected(jump) && looks.text == "-5.0 s off at 1 of 12 looks")
    let strobe = ClockFault.strobe(milliseconds: 1500, periodMilliseconds: 100)
    var one = ClockLooks()
    one.add(1_500_000_000, strobe)
    #expect(!one.isAsExpected(strobe))
    one.add(0, strobe)
    #expect(one.isAsExpected(strobe))
  }

  @Test func onlyTheLogHoldsDataOfKvnode() throws {
    let system = try KVSystem(nodes: 3)
    #expect(system.holdsData("log/0000000000000001.log"))
    #expect(!system.holdsData("state/LOG") && !system.holdsData("state/MANIFEST-000001"))
  }
}
