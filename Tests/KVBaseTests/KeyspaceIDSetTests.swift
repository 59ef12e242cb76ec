import KVBase
import Testing

@Suite struct KeyspaceIDSetTests {
  @Test(arguments: 0..<40) func itIsTheSetOfWhatWasInserted(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var set = KeyspaceIDSet()
    var other = KeyspaceIDSet()
    var model: Set<UInt32> = []
    var otherModel: Set<UInt32> = []
    for _ in 0..<200 {
      let id = UInt32(random.below(80))
      #expect(set.insert(KeyspaceID(id)) == model.insert(id).inserted)
      let second = UInt32(random.below(80))
      if random.chance(1, in: 2) {
        other.insert(KeyspaceID(second))
        otherModel.insert(second)
      }
      #expect(set.count == model.count)
    }
    for id in 0..<UInt32(90) { #expect(set.contains(KeyspaceID(id)) == model.contains(id)) }
    #expect(set.map(\.rawValue) == model.sorted())
    let missing = model.subtracting(otherModel).sorted()
    #expect(set.subtracting(other, limit: 1000).map(\.rawValue) == missing)
    #expect(set.subtracting(other, limit: 3).map(\.rawValue) == Array(missing.prefix(3)))
    var writer = ByteWriter()
    set.encode(into: &writer)
    var reader = ByteReader(writer.take())
    #expect(try KeyspaceIDSet(from: &reader) == set)
    try reader.finish()
  }

  @Test func whatLiesCloseTogetherIsOneRange() {
    var set = KeyspaceIDSet()
    for id in UInt32(2)..<10_002 { set.insert(KeyspaceID(id)) }
    #expect(set.count == 10_000)
    #expect(set.rangeCount == 1)
  }

  @Test func rangesThatTouchOrOverlapAreRefused() throws {
    for ranges in [[(1, 3), (4, 5)], [(1, 3), (2, 5)], [(5, 4)], [(7, 8), (1, 2)]] {
      var writer = ByteWriter()
      writer.append(UInt32(ranges.count))
      for (first, last) in ranges {
        writer.append(UInt32(first))
        writer.append(UInt32(last))
      }
      var reader = ByteReader(writer.take())
      #expect(throws: WireError.self) { try KeyspaceIDSet(from: &reader) }
    }
  }
}
