import KVBase
import Testing

@testable import KVRaft

/// The arithmetic of quorums and logs against versions that are too simple to be wrong.
@Suite struct MathTests {
  /// By sorting: the value that the middle voter has reached.
  private func dumbMajority(_ values: [UInt64]) -> UInt64 {
    values.sorted(by: >)[values.count / 2]
  }

  @Test func aMajorityReachesWhatSortingSays() {
    var random = SeededRandom(seed: 1)
    for _ in 0..<20_000 {
      let count = 1 + Int(random.below(9))
      let values = (0..<count).map { _ in random.below(6) }
      let reached = Quorum.reached(positions: count) { values[$0] }
      #expect(reached == dumbMajority(values), "\(values)")
    }
    #expect(Quorum.reached(positions: 3) { _ in nil } == nil)
  }

  @Test func positionsThatDoNotVoteDoNotCount() {
    var random = SeededRandom(seed: 2)
    for _ in 0..<20_000 {
      let values = (0..<8).map { _ in random.chance(1, in: 3) ? nil : random.below(6) }
      let voting = values.compactMap { $0 }
      let reached = Quorum.reached(positions: 8) { values[$0] }
      #expect(reached == (voting.isEmpty ? nil : dumbMajority(voting)))
    }
  }

  /// Every set of answers of up to seven replicas in random, also joint, configurations.
  @Test func votesAreCountedAsTheSubsetsSay() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<5_000 {
      let all = (1...7).map { r(UInt32($0)) }
      let voters = all.filter { _ in random.chance(1, in: 2) }
      let outgoing = random.chance(1, in: 2) ? all.filter { _ in random.chance(1, in: 2) } : []
      guard !voters.isEmpty else { continue }
      let configuration = GroupConfiguration(voters: voters, outgoing: outgoing)
      let yes = all.filter { _ in random.chance(1, in: 2) }
      let no = all.filter { !yes.contains($0) && random.chance(1, in: 2) }
      var tally = VoteTally()
      for voter in yes { tally.record(true, from: voter) }
      for voter in no {
        tally.record(false, from: voter)
        tally.record(true, from: voter)
      }
      func wins(_ set: [ReplicaID], _ supporters: [ReplicaID]) -> Bool {
        set.isEmpty || set.filter(supporters.contains).count * 2 > set.count
      }
      let isWon = wins(voters, yes) && wins(outgoing, yes)
      let couldBeWon =
        wins(voters, all.filter { !no.contains($0) })
        && wins(outgoing, all.filter { !no.contains($0) })
      let expected: VoteTally.Outcome = isWon ? .won : couldBeWon ? .pending : .lost
      #expect(tally.outcome(in: configuration) == expected)
    }
  }

  /// Acknowledgements in any order, in joint configurations: what is committed is what a majority
  /// of
  /// each set holds.
  @Test func commitIndexIsWhatBothMajoritiesHold() throws {
    var random = SeededRandom(seed: 4)
    for round in 0..<300 {
      var solo = Solo(of: GroupConfiguration(1...(3 + UInt32(random.below(3)))))
      solo.leadAndCommit()
      let old = solo.core.configuration.voters
      var new = (1...8).map { r(UInt32($0)) }.filter { _ in random.chance(1, in: 2) }
      if new.isEmpty { new = [r(8)] }
      if new == old { continue }
      _ = try solo.core.proposeConfiguration(
        voters: new, learners: [], wallMilliseconds: 0, now: solo.now, into: &solo.out)
      for _ in 0..<10 { try solo.propose() }
      solo.turn()
      let last = solo.core.lastIndex
      var held: [ReplicaID: LogIndex] = [:]
      for id in old { held[id] = LogIndex(1) }
      if random.chance(3, in: 4) {
        solo.sync()
        held[r(1)] = last
      }
      for _ in 0..<20 {
        let others = solo.core.progress.map(\.replica)
        let peer = others[Int(random.below(UInt64(others.count)))]
        let match = LogIndex(random.below(last.rawValue + 1))
        held[peer] = max(held[peer] ?? .zero, match)
        // Once the joint configuration is committed it is left: that is not what is tested here.
        let joint = min(
          dumbMajority(new.map { held[$0]?.rawValue ?? 0 }),
          dumbMajority(old.map { held[$0]?.rawValue ?? 0 }))
        solo.acknowledge(match, from: peer.node.rawValue)
        #expect(solo.core.commitIndex.rawValue == max(1, joint), "round \(round)")
        if joint >= 2 { break }
      }
    }
  }

  /// Appends, truncations, compactions and evictions against an array.
  @Test func theLogIsAnArrayOfEntries() {
    var random = SeededRandom(seed: 5)
    for _ in 0..<200 {
      var log = RaftLog(.empty)
      var model: [LogEntry] = []  // all entries from index 1 on
      var base = 0
      var term: UInt64 = 1
      for _ in 0..<200 {
        switch random.below(10) {
        case 0: term += random.below(3)
        case 1 where model.count > base:
          let keep = base + Int(random.below(UInt64(model.count - base + 1)))
          log.truncate(after: LogIndex(UInt64(keep)))
          model.removeLast(model.count - keep)
        case 2 where model.count > base:
          base += Int(random.below(UInt64(model.count - base + 1)))
          log.compact(through: LogIndex(UInt64(base)))
        case 3:
          log.evict(
            through: LogIndex(random.below(UInt64(model.count + 1))),
            maxBytes: Int(random.below(500)))
        default:
          let entry = LogEntry(
            index: LogIndex(UInt64(model.count + 1)),
            term: Term(max(term, model.last?.term.rawValue ?? 0)),
            kind: .command, logTimeMilliseconds: 0,
            payload: Bytes([UInt8](repeating: 7, count: Int(random.below(40)))))
          log.append(entry)
          model.append(entry)
        }
        #expect(log.lastIndex == LogIndex(UInt64(model.count)))
        for index in base...(model.count + 1) {
          let expected: Term? =
            index > model.count ? nil : index == 0 ? .zero : model[index - 1].term
          #expect(log.term(at: LogIndex(UInt64(index))) == expected)
        }
        #expect(base == 0 || log.term(at: LogIndex(UInt64(base - 1))) == nil)
        if log.tailFirst <= log.lastIndex {
          let first = Int(log.tailFirst.rawValue)
          #expect(first > base)
          let tail = log.entries(from: log.tailFirst, through: log.lastIndex, maxBytes: .max)
          #expect(tail == Array(model[(first - 1)...]))
          #expect(log.tailBytes == tail.reduce(0) { $0 + $1.encodedSize })
          let some = log.entries(from: log.tailFirst, through: log.lastIndex, maxBytes: 100)
          #expect(some.count == 1 || some.reduce(0) { $0 + $1.encodedSize } <= 100)
        } else {
          #expect(log.tailBytes == 0)
        }
      }
    }
  }

  @Test func aStoreMayNameTermsThatBeganBeforeItsBase() throws {
    let runs = [(1, 1), (2, 5), (3, 8), (4, 12)].map {
      TermRun(term: Term(UInt64($0.0)), firstIndex: LogIndex(UInt64($0.1)))
    }
    let outline = LogOutline(
      baseIndex: LogIndex(9), baseTerm: Term(3), lastIndex: LogIndex(13), termRuns: runs,
      configurations: [])
    let log = RaftLog(try #require(outline))
    #expect(log.outline.termRuns.map(\.firstIndex) == [LogIndex(10), LogIndex(12)])
    #expect(log.term(at: LogIndex(8)) == nil)
    #expect((9...14).map { log.term(at: LogIndex($0))?.rawValue } == [3, 3, 3, 4, 4, nil])
  }

  @Test func backOffHintsAreWhereTheLogsMayAgree() {
    var random = SeededRandom(seed: 6)
    for _ in 0..<5_000 {
      var terms: [UInt64] = []
      for _ in 0..<random.below(12) { terms.append((terms.last ?? 1) + random.below(3)) }
      var log = RaftLog(.empty)
      for entry in entries(terms) { log.append(entry) }
      let limit = Int(random.below(15))
      let term = random.below(10)
      var expected = min(limit, terms.count)
      while expected > 0 && terms[expected - 1] > term { expected -= 1 }
      #expect(
        log.highestIndex(upTo: LogIndex(UInt64(limit)), termAtMost: Term(term))
          == LogIndex(UInt64(expected)))
    }
  }
}

extension LogOutline {
  fileprivate static var empty: LogOutline {
    LogOutline(
      baseIndex: .zero, baseTerm: .zero, configuration: GroupConfiguration(voters: []))
  }
}
