import KVBase
import Testing

@Suite struct SeededRandomTests {
  @Test func theSameSeedGivesTheSameSequence() {
    var a = SeededRandom(seed: 7)
    var b = SeededRandom(seed: 7)
    var c = SeededRandom(seed: 8)
    let first = (0..<100).map { _ in a.next() }
    #expect(first == (0..<100).map { _ in b.next() })
    #expect(first != (0..<100).map { _ in c.next() })
  }

  @Test func belowStaysBelowItsBoundAndReachesAll() {
    var random = SeededRandom(seed: 1)
    var seen = [Int](repeating: 0, count: 7)
    for _ in 0..<7_000 { seen[Int(random.below(7))] += 1 }
    #expect(seen.allSatisfy { $0 > 800 })
  }
}
