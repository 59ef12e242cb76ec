import KVBase
import Testing

@testable import KVRaft

/// Several messages in one turn: the one persist at its end carries what they amount to.
@Suite struct PersistTests {
  private func entry(_ index: Int, _ term: UInt64) -> LogEntry {
    LogEntry(
      index: LogIndex(UInt64(index)), term: Term(term), kind: .command, logTimeMilliseconds: 0,
      payload: Bytes("\(term).\(index)"))
  }

  /// Windows of the logs of changing leaders, in any order, old ones among them, against arrays.
  @Test(arguments: 1...30)
  func theDiskHoldsWhatTheMessagesAmountTo(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var solo = Solo(log: [])
    var disk = DiskImage(baseConfiguration: GroupConfiguration(1...3))
    var follower: [LogEntry] = []
    var leader: [LogEntry] = []
    var term: UInt64 = 1
    for _ in 0..<200 {
      for _ in 0...random.below(4) {
        if random.chance(1, in: 5) {
          term += 1
          let shared = Int(random.below(UInt64(follower.count + 1)))
          leader = Array(follower.prefix(shared))
        }
        for _ in 0..<random.below(4) { leader.append(entry(leader.count + 1, term)) }
        let start = Int(random.below(UInt64(leader.count + 1)))
        let end = start + Int(random.below(UInt64(leader.count - start + 1)))
        let previous = start == 0 ? 0 : leader[start - 1].term.rawValue
        solo.core.receive(
          RaftMessage(
            term: Term(term),
            body: .append(after: UInt64(start), previous, Array(leader[start..<end]))),
          from: r(term % 2 == 0 ? 2 : 3), now: solo.now, into: &solo.out)
        guard start == 0 || start <= follower.count && follower[start - 1] == leader[start - 1]
        else { continue }
        for position in start..<end
        where position >= follower.count || follower[position] != leader[position] {
          follower = Array(follower.prefix(position)) + leader[position..<end]
          break
        }
      }
      for persist in solo.turn().persists { disk.write(persist) }
      #expect(disk.entries == follower)
      #expect(disk.hardState == HardState(term: Term(term)))
    }
  }
}
