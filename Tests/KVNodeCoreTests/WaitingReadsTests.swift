import KVBase
import KVCommand
import KVRaft
import KVWire
import Testing

@testable import KVNodeCore

/// Reads that wait have a deadline each, and come in any order of deadlines.
@Suite struct WaitingReadsTests {
  private func read(_ stream: UInt32, deadline: UInt64) -> PendingRead {
    PendingRead(
      caller: Caller(connection: ConnectionID(1), stream: stream),
      command: .get(keyspace: .default, key: "a"), served: .readIndex,
      deadline: Instant(nanoseconds: deadline))
  }

  @Test func aReadExpiresInTimeBehindOneWithALongerDeadline() {
    var reads = WaitingReads()
    for (stream, deadline) in [(1, 90), (2, 10), (3, 80), (4, 20)] as [(UInt32, UInt64)] {
      let isTaken = reads.wait(
        for: ReadTicket(UInt64(stream)), read(stream, deadline: deadline), now: .zero)
      #expect(isTaken)
    }
    #expect(reads.nextDeadline == Instant(nanoseconds: 10))
    let expired = reads.removeExpired(now: Instant(nanoseconds: 25))
    #expect(expired.unconfirmed.map(\.caller.stream) == [2, 4])
    #expect(expired.behind.isEmpty)
    #expect(reads.nextDeadline == Instant(nanoseconds: 80))
    // The others keep their order.
    let first = reads.popConfirmed(through: ReadTicket(3))
    let second = reads.popConfirmed(through: ReadTicket(3))
    #expect(first?.caller.stream == 1 && second?.caller.stream == 3)
    #expect(reads.ticketCount == 0)
  }
}
