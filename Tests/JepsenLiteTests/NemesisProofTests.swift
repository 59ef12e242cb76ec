import Testing

@testable import JepsenLite

@Suite struct NemesisProofTests {
  /// A clock that an earlier fault has left behind shows nothing of this one.
  @Test func aClockProvesOnlyWhatItDidSinceTheFaultBegan() {
    let before = RateLook(shown: -68_000_000, wanted: -68_000_000)
    let still = RateLook(shown: -68_000_000, wanted: -40_000_000).since(before)
    #expect(!still.isAsWanted)
    let further = RateLook(shown: -88_000_000, wanted: -40_000_000).since(before)
    #expect(!further.isAsWanted)
    let back = RateLook(shown: -45_000_000, wanted: -40_000_000).since(before)
    #expect(back.isAsWanted && back.shown == 23_000_000)
    let hardly = RateLook(shown: -60_000_000, wanted: -40_000_000).since(before)
    #expect(!hardly.isAsWanted)
    #expect(!before.since(before).isAsWanted)
  }

  @Test func onlyTheLogHoldsDataOfKvnode() throws {
    let system = try KVSystem(nodes: 3)
    #expect(system.holdsData("log/0000000000000001.log"))
    #expect(!system.holdsData("state/LOG") && !system.holdsData("state/MANIFEST-000001"))
  }
}
