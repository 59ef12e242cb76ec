import KVBase
import Testing

@Suite struct TimeTests {
  @Test func instantsAndAmounts() {
    let start = Instant(nanoseconds: 5_000_000)
    let later = start + .milliseconds(3)
    #expect(later.nanoseconds == 8_000_000)
    #expect(later - start == .milliseconds(3))
    #expect(start < later && later < .distantFuture && .zero < start)
    #expect(later.description == "8ms")
  }

  /// Clocks of a paused machine or of two nodes may seem to go back: never a huge interval.
  @Test func theTimeToAnEarlierInstantIsNone() {
    #expect(Instant.zero - Instant(nanoseconds: 1) == .zero)
    #expect(Instant(nanoseconds: 7) - .distantFuture == .zero)
  }

  @Test func additionStopsAtTheDistantFuture() {
    #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
    #expect(Instant(nanoseconds: .max - 1) + TimeAmount(nanoseconds: 2) == .distantFuture)
  }

  @Test func units() {
    #expect(TimeAmount.seconds(2) == .milliseconds(2_000))
    #expect(TimeAmount.milliseconds(2) == .microseconds(2_000))
    #expect(TimeAmount.microseconds(2).nanoseconds == 2_000)
    #expect(TimeAmount.seconds(1).milliseconds == 1_000)
    #expect(TimeAmount.seconds(1).microseconds == 1_000_000)
    #expect(TimeAmount.milliseconds(1) + .microseconds(500) == .microseconds(1_500))
    #expect(TimeAmount.milliseconds(5) * 3 == .milliseconds(15))
    #expect(TimeAmount.milliseconds(1) < .seconds(1))
    #expect(TimeAmount.seconds(12).description == "12 s")
    #expect(TimeAmount.milliseconds(1_500).description == "1500 ms")
    // Not 0, which nothing could be below.
    #expect(TimeAmount.microseconds(7).description == "7 µs")
    #expect(TimeAmount.zero.description == "0 ms")
  }
}

@Suite struct IdentifierTests {
  @Test func aReplicaKnowsItsNode() {
    let replica = ReplicaID(node: NodeID(7), ordinal: 3)
    #expect(replica.node == NodeID(7) && replica.ordinal == 3)
    #expect(replica.rawValue == 3 << 32 | 7)
    #expect(replica.description == "r7.3")
    #expect(ReplicaID(node: NodeID(7)).description == "r7")
  }

  @Test func partitionsHaveTheGroupsAfterTheMetaGroup() {
    #expect(GroupID.meta.partition == nil)
    #expect(GroupID(partition: PartitionID(0)) == GroupID(1))
    for number: UInt16 in [0, 1, 31, 4095] {
      #expect(GroupID(partition: PartitionID(number)).partition == PartitionID(number))
    }
  }

  @Test func indexesCount() {
    #expect(LogIndex.zero.previous == .zero)
    #expect(LogIndex(5).previous == LogIndex(4) && LogIndex(5).next == LogIndex(6))
    #expect(LogIndex(5) - LogIndex(7) == -2)
    #expect(LogIndex(5) + 3 == LogIndex(8))
    #expect(Term.zero.next == Term(1))
  }

  @Test func clientsAreOrderedByTheirCreation() {
    let early = ClientID(createdMilliseconds: 1, random: 9)
    let late = ClientID(createdMilliseconds: 2, random: 0)
    #expect(early < late && ClientID.none < early)
    #expect(early < ClientID(createdMilliseconds: 1, random: 10))
  }
}
