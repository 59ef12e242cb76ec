import KVBase
import Testing

@testable import KVSimulator

@Suite struct EventQueueTests {
  @Test func comesOutByTimeAndThenInOrder() {
    var random = SeededRandom(seed: 3)
    var queue = EventQueue<Int>()
    var expected: [(time: UInt64, event: Int)] = []
    var taken: [(time: UInt64, event: Int)] = []
    var clock: UInt64 = 0
    for event in 0..<5_000 {
      let time = clock + random.below(50)
      queue.schedule(event, at: time)
      expected.append((time, event))
      if random.chance(2, in: 5), let next = queue.popFirst() {
        #expect(next.time >= clock)
        clock = next.time
        taken.append(next)
      }
    }
    while let next = queue.popFirst() { taken.append(next) }
    #expect(queue.isEmpty && queue.count == 0 && queue.nextTime == nil)
    // What is scheduled later for an earlier time can't come out in the past, so sorting the
    // whole by (time, order) is what must have happened.
    expected.sort { $0.time != $1.time ? $0.time < $1.time : $0.event < $1.event }
    #expect(taken.map(\.event) == expected.map(\.event))
  }

  @Test func aClockRunsAtItsRate() {
    var clock = SimulatedClock(start: 7, partsPerMillion: 10_000, wallOffsetMilliseconds: -5)
    let second: UInt64 = 1_000_000_000
    #expect(clock.now(at: 0).instant.nanoseconds == 7)
    #expect(clock.now(at: second).instant.nanoseconds == 7 + second + second / 100)
    #expect(clock.now(at: second).wallMilliseconds == SimulatedClock.wallStart + 1_000 - 5)
    clock.setRate(partsPerMillion: -500_000, at: second)
    #expect(clock.now(at: second).instant.nanoseconds == 7 + second + second / 100)
    #expect(
      clock.now(at: 2 * second).instant.nanoseconds == 7 + second + second / 100 + second / 2)
    clock.jumpWall(milliseconds: 100)
    #expect(clock.now(at: second).wallMilliseconds == SimulatedClock.wallStart + 1_000 + 95)
  }
}
