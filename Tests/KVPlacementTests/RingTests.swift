import KVBase
import KVPlacement
import Testing

@Suite struct RingTests {
  @Test(arguments: [
    ("user:1", "user:1"), ("{user:1}:cart", "user:1"), ("a{b}c{d}", "b"), ("a{}b{c}", "a{}b{c}"),
    ("a{b", "a{b"), ("a}b{c}", "c"), ("{{a}}", "{a"), ("", ""), ("{", "{"), ("{}", "{}"),
    ("a{", "a{"), ("x{y}", "y"),
  ])
  func theRoutingPartIsTheFirstNonEmptyTag(_ key: String, _ part: String) {
    let bytes = Bytes(key)
    #expect(bytes[Ring.routingRange(of: bytes)] == Bytes(part))
    #expect(Ring.token(of: bytes).rawValue == XXH3.hash(Bytes(part)))
  }

  /// The same by strings, the slow and obvious way.
  private static func dumbRoutingPart(_ key: String) -> String {
    let pieces = key.split(separator: "{", maxSplits: 1, omittingEmptySubsequences: false)
    guard pieces.count == 2, let closing = pieces[1].firstIndex(of: "}") else { return key }
    let tag = pieces[1][..<closing]
    return tag.isEmpty ? key : String(tag)
  }

  @Test func theRoutingPartIsThatOfTheObviousWay() {
    var random = SeededRandom(seed: 11)
    for _ in 0..<5_000 {
      let key = String(
        (0..<random.below(9)).map { _ in Array("ab{}")[Int(random.below(4))] } as [Character])
      let bytes = Bytes(key)
      #expect(bytes[Ring.routingRange(of: bytes)] == Bytes(Self.dumbRoutingPart(key)), "\(key)")
    }
  }

  /// Golden: a change here would move every key of every cluster there is.
  @Test func partitionsOfKnownKeysStay() {
    #expect(Ring.token(of: "").rawValue == 0x2d06_8005_38d3_94c2)
    #expect(Ring.partition(of: "", partitions: 32) == PartitionID(5))
    #expect(Ring.partition(of: "", partitions: 4096) == PartitionID(0x2d0))
  }

  @Test(arguments: [1, 2, 8, 32, 256, 4096])
  func aPartitionIsOneOfEqualRanges(_ partitions: Int) {
    for number in 0..<2_000 {
      let key = Bytes("key-\(number)")
      let partition = Ring.partition(of: key, partitions: partitions)
      let token = Ring.token(of: key)
      #expect(Int(partition.rawValue) < partitions)
      #expect(Ring.firstToken(of: partition, partitions: partitions) <= token)
      if Int(partition.rawValue) + 1 < partitions {
        let next = PartitionID(partition.rawValue + 1)
        #expect(token < Ring.firstToken(of: next, partitions: partitions))
      }
    }
  }

  @Test func doublingThePartitionsSplitsEachInTwo() {
    for number in 0..<1_000 {
      let key = Bytes("key-\(number)")
      let coarse = Ring.partition(of: key, partitions: 32).rawValue
      #expect(Ring.partition(of: key, partitions: 64).rawValue / 2 == coarse)
    }
  }

  @Test func keysSpreadEvenly() {
    var seen = [Int](repeating: 0, count: 32)
    for number in 0..<32_000 {
      seen[Int(Ring.partition(of: Bytes("user:\(number)"), partitions: 32).rawValue)] += 1
    }
    #expect(seen.allSatisfy { $0 > 850 && $0 < 1_150 }, "\(seen)")
  }

  @Test func whichNumbersOfPartitionsAreValid() {
    for valid in [1, 2, 4, 32, 4096] { #expect(Ring.isValid(partitions: valid)) }
    for invalid in [0, -1, -8, 3, 33, 4095, 8192, .min] {
      #expect(!Ring.isValid(partitions: invalid))
    }
  }
}
