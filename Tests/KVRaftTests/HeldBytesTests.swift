import KVBase
import Testing

@testable import KVRaft

/// What a replica's entries hold in memory is what they take, not what they came with.
@Suite struct HeldBytesTests {
  /// Everything that a connection read at one time: mostly other requests.
  private func chunk() -> Bytes { Bytes([UInt8](repeating: 5, count: Limits.readBytes)) }

  @Test func aLeaderHoldsNoMoreThanItsEntries() throws {
    var solo = Solo(1, of: GroupConfiguration(1...1))
    solo.lead()
    for _ in 0..<400 {
      let payload = chunk()[100..<300]
      _ = try solo.core.propose(
        .command, payload: payload, wallMilliseconds: 0, now: solo.now, into: &solo.out)
      solo.turn()
      solo.sync()
    }
    let log = solo.core.persistent.log
    #expect(log.tailCount >= 400)
    #expect(
      log.heldBytes <= log.tailBytes,
      "entries of \(log.tailBytes) bytes hold \(log.heldBytes)")
  }

  @Test func aFollowerHoldsNoMoreThanItsEntries() throws {
    var solo = Solo(1)
    for number in 0..<400 as Range<UInt64> {
      let frame = chunk()
      let entries = (0..<2 as Range<UInt64>).map { at in
        LogEntry(
          index: LogIndex(2 * number + at + 1), term: Term(1),
          kind: at == 0 ? .command : .noop, logTimeMilliseconds: 0,
          payload: at == 0 ? frame[100..<300] : frame[300..<300])
      }
      let asked = solo.receive(
        .append(after: 2 * number, number == 0 ? 0 : 1, entries), term: 1, from: 2)
      #expect(asked.persists.count == 1)
      // What is written is what was sent.
      #expect(asked.persists[0].entries == entries)
      solo.sync()
    }
    let log = solo.core.persistent.log
    #expect(log.tailCount == 800)
    #expect(
      log.heldBytes <= log.tailBytes,
      "entries of \(log.tailBytes) bytes hold \(log.heldBytes)")
  }

  @Test func aLargeEntryIsNotCopied() throws {
    var solo = Solo(1, of: GroupConfiguration(1...1))
    solo.lead()
    let payload = chunk()[0..<Limits.readBytes * 3 / 4]
    _ = try solo.core.propose(
      .command, payload: payload, wallMilliseconds: 0, now: solo.now, into: &solo.out)
    let asked = solo.turn()
    #expect(asked.persists[0].entries[0].payload.sharesBuffer(with: payload))
  }

  @Test func groupsShareWhatANodeKeepsInMemory() {
    let settings = RaftSettings()
    for groups in [1, 33, 513, 4097] {
      let shared = settings.shared(by: groups)
      let tails = shared.tailBytes * groups
      #expect(
        tails <= Limits.nodeTailBytes || shared.tailBytes == Limits.leastTailBytes, "\(groups)")
      #expect(shared.tailBytes <= settings.tailBytes)
    }
    #expect(settings.shared(by: 33).tailBytes == Limits.logTailBytes)
  }
}
