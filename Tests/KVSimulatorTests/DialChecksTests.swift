import Testing

@testable import KVSimulator

@Suite struct DialChecksTests {
  private static let second: UInt64 = 1_000_000_000

  @Test func dialsAtTheLimitPass() {
    var checks = DialChecks(endpoints: 3)
    let gap = Self.second / UInt64(DialChecks.limit)
    for number: UInt64 in 0..<200 {
      let found = checks.dialed(from: 0, to: 1, time: number * (gap + 1))
      #expect(found == nil)
    }
  }

  @Test func oneMoreInTheWindowIsReported() {
    var checks = DialChecks(endpoints: 3)
    for number in 0..<DialChecks.limit {
      let found = checks.dialed(from: 0, to: 1, time: UInt64(number))
      #expect(found == nil)
    }
    let other = checks.dialed(from: 0, to: 2, time: 100)
    let back = checks.dialed(from: 1, to: 0, time: 100)
    #expect(other == nil && back == nil)
    let found = checks.dialed(from: 0, to: 1, time: Self.second - 1)
    #expect(found != nil)
  }

  @Test func aNewProcessBeginsAnew() {
    var checks = DialChecks(endpoints: 3)
    for number in 0..<DialChecks.limit {
      _ = checks.dialed(from: 0, to: 1, time: UInt64(number))
    }
    checks.restarted(0)
    let found = checks.dialed(from: 0, to: 1, time: 100)
    #expect(found == nil)
  }
}
