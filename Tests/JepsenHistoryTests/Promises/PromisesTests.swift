import KVBase
import Testing

@testable import JepsenHistory

/// An operation on the key `x` in few words.
private func op(
  _ process: Int, _ kind: HistoryOperation.Kind, _ value: HistoryValue?, _ start: UInt64,
  _ end: UInt64?, _ outcome: HistoryOperation.Outcome = .ok, index: UInt64? = nil,
  node: UInt32? = nil, key: String = "x"
) -> HistoryOperation {
  var operation = HistoryOperation(
    process: process, kind: kind, key: key, value: value, startNanoseconds: start,
    endNanoseconds: end, outcome: outcome)
  operation.index = index
  operation.node = node
  return operation
}

@Suite struct PromisesTests {
  // MARK: no acknowledged write lost

  @Test func aReplacedValueAtTheEndIsALostWrite() throws {
    let history = [
      op(0, .write, "a", 0, 10), op(1, .write, "b", 11, 20), op(2, .read, "a", 100, 101),
    ]
    let verdict = Promises(history).noLostWrites(finalFrom: 50)
    #expect(verdict.status == .violated)
    #expect(verdict.text == "1 of 1 final reads lack an acknowledged write")
    #expect(verdict.witness?.operations == history)
    #expect(
      verdict.witness?.explanation == [
        "operation 3 (read -> a) shows what is of operation 1 (write a).",
        "operation 2 (write b) began after that had ended, and was acknowledged before the read"
          + " began.",
      ])
  }

  @Test func concurrentUnknownAndRefusedWritesMayStandAtTheEnd() {
    let good: [[HistoryOperation]] = [
      [op(0, .write, "a", 0, 12), op(1, .write, "b", 12, 20), op(2, .read, "a", 100, 101)],
      [
        op(0, .write, "a", 0, nil, .unknown), op(1, .write, "b", 12, 20), op(2, .read, "a", 90, 99),
      ],
      [
        op(0, .write, "a", 0, 1), op(1, .write, "b", 2, 20, .refused("no")),
        op(2, .read, "a", 90, 99),
      ],
      [
        op(0, .write, "a", 0, 1), op(1, .write, "b", 2, 3), op(1, .write, "a", 4, 5),
        op(2, .read, "a", 90, 99),
      ],
      [op(0, .write, "a", 0, 1), op(1, .delete, nil, 2, 3), op(2, .read, nil, 90, 99)],
    ]
    for history in good {
      #expect(Promises(history).noLostWrites(finalFrom: 50).status == .passed)
    }
  }

  @Test func anAbsentOrMadeUpValueAtTheEndIsALostWrite() {
    let bad: [[HistoryOperation]] = [
      [op(0, .write, "a", 1, 2), op(2, .read, nil, 90, 99)],
      [op(0, .write, "a", 1, 2), op(2, .read, "z", 90, 99)],
    ]
    for history in bad {
      #expect(Promises(history).noLostWrites(finalFrom: 50).status == .violated)
    }
  }

  @Test func elementsOfSetsAndListsMustBeThere() {
    func verdict(_ found: [HistoryValue]) -> Verdict {
      Promises([
        op(0, .add, 1, 0, 1), op(0, .add, 2, 2, 3), op(1, .add, 3, 2, nil, .unknown),
        op(1, .add, 4, 2, 5, .refused("no")), op(0, .read, .list(found), 90, 91),
      ]).noLostWrites(finalFrom: 50)
    }
    #expect(verdict([2, 1]).status == .passed)
    #expect(verdict([2, 3, 1]).status == .passed)
    #expect(verdict([1, 3]).status == .violated)
    #expect(verdict([1, 3]).witness?.operations.map(\.value) == [2, .list([1, 3])])
  }

  @Test func sumsMustBePossible() {
    func verdict(_ sum: Int64?) -> Verdict.Status {
      Promises([
        op(0, .add, 5, 0, 1), op(0, .add, -2, 2, 3), op(1, .add, 10, 2, nil, .unknown),
        op(1, .add, 100, 2, 5, .refused("no")),
        op(0, .read, sum.map { .integer($0) }, 90, 91),
      ]).noLostWrites(finalFrom: 50).status
    }
    #expect(verdict(3) == .passed)
    #expect(verdict(13) == .passed)
    #expect(verdict(2) == .violated)
    #expect(verdict(14) == .violated)
    #expect(verdict(nil) == .violated)
  }

  @Test func keysThatNobodyReadAreSaid() {
    let unread = Promises([op(0, .write, "a", 0, 1, key: "y")]).noLostWrites(finalFrom: 50)
    #expect(unread.status == .invalid)
    let partly = Promises([
      op(0, .write, "a", 0, 1, key: "y"), op(0, .write, "a", 2, 3), op(0, .read, "a", 60, 61),
    ]).noLostWrites(finalFrom: 50)
    #expect(partly.status == .unknown)
    #expect(partly.text.contains("1 keys with acknowledged writes were not read"))
  }

  // MARK: deletes

  @Test func whatWasDeletedMustNotComeBack() {
    let write = op(0, .write, "a", 0, 10)
    let delete = op(1, .delete, nil, 20, 30)
    #expect(
      Promises([write, delete, op(2, .read, "a", 40, 41)]).noResurrection().status == .violated)
    #expect(
      Promises([write, delete, op(2, .read, nil, 40, 41)]).noResurrection().status == .passed)
    // The read began before the delete was acknowledged.
    #expect(
      Promises([write, delete, op(2, .read, "a", 30, 41)]).noResurrection().status == .invalid)
    // The write may have come after the delete.
    let late = op(0, .write, "a", 0, 20)
    #expect(Promises([late, delete, op(2, .read, "a", 40, 41)]).noResurrection().status == .passed)
    // A delete without an answer promises nothing.
    let unknown = op(1, .delete, nil, 20, nil, .unknown)
    #expect(
      Promises([write, unknown, op(2, .read, "a", 40, 41)]).noResurrection().status == .invalid)
  }

  // MARK: sessions

  @Test func readsMustNotGoBack() {
    let writes = [op(0, .write, "a", 0, 1), op(0, .write, "b", 2, 3)]
    let back = writes + [op(1, .read, "b", 10, 11), op(1, .read, "a", 12, 13)]
    let verdict = Promises(back).monotonicReads()
    #expect(verdict.status == .violated)
    #expect(verdict.witness?.operations == back)
    // Another process may be behind.
    let other = writes + [op(1, .read, "b", 10, 11), op(2, .read, "a", 12, 13)]
    #expect(Promises(other).monotonicReads().status == .invalid)
    let forth = writes + [op(1, .read, "a", 10, 11), op(1, .read, "b", 12, 13)]
    #expect(Promises(forth).monotonicReads().status == .passed)
    // Concurrent writes have no order but by their indexes.
    let concurrent = [op(0, .write, "a", 0, 5), op(9, .write, "b", 2, 7)]
    func reads(_ first: UInt64?, _ second: UInt64?) -> Verdict.Status {
      Promises(
        concurrent + [
          op(1, .read, "b", 10, 11, index: first), op(1, .read, "a", 12, 13, index: second),
        ]
      ).monotonicReads().status
    }
    #expect(reads(nil, nil) == .passed)
    #expect(reads(1, 2) == .passed)
    #expect(reads(2, 1) == .violated)
  }

  @Test func processesSeeTheirOwnWrites() {
    let old = op(0, .write, "a", 0, 1)
    let own = op(1, .write, "b", 2, 3, index: 7)
    func status(_ read: HistoryOperation) -> Verdict.Status {
      Promises([old, own, read]).readYourWrites().status
    }
    #expect(status(op(1, .read, "a", 4, 5)) == .violated)
    #expect(status(op(1, .read, nil, 4, 5)) == .violated)
    #expect(status(op(1, .read, "b", 4, 5)) == .passed)
    #expect(status(op(1, .read, "b", 4, 5, index: 6)) == .violated)
    #expect(status(op(2, .read, "a", 4, 5)) == .invalid)
    let unknown = op(1, .write, "b", 2, 3, .unknown)
    #expect(Promises([old, unknown, op(1, .read, "a", 4, 5)]).readYourWrites().status == .invalid)
  }

  @Test func setsListsAndCountersOnlyGrow() {
    func status(
      _ kind: HistoryOperation.Kind, _ first: HistoryValue?, _ second: HistoryValue?,
      _ amount: HistoryValue = 1
    ) -> Verdict.Status {
      Promises([
        op(0, kind, amount, 0, 1), op(0, kind, 2, 2, 3), op(1, .read, first, 4, 5),
        op(1, .read, second, 6, 7),
      ]).monotonicReads().status
    }
    #expect(status(.append, .list([1, 2]), .list([1, 2, 3])) == .passed)
    #expect(status(.append, .list([1, 2]), .list([2, 1])) == .violated)
    #expect(status(.append, .list([1, 2]), nil) == .violated)
    #expect(status(.append, nil, .list([1])) == .passed)
    #expect(status(.add, .list([1, 2]), .list([2, 1])) == .passed)
    #expect(status(.add, .list([1, 2]), .list([2])) == .violated)
    #expect(status(.add, 1, 3) == .passed)
    #expect(status(.add, 3, 1) == .violated)
    #expect(status(.add, 3, 1, -2) == .passed)
  }

  @Test func processesSeeTheirOwnAdditions() {
    func status(_ kind: HistoryOperation.Kind, _ shown: HistoryValue?) -> Verdict.Status {
      Promises([
        op(0, kind, 1, 0, 1), op(1, kind, 2, 2, 3), op(1, kind, 3, 4, 5, .unknown),
        op(1, .read, shown, 6, 7),
      ]).readYourWrites().status
    }
    #expect(status(.append, .list([1, 2])) == .passed)
    #expect(status(.add, .list([2])) == .passed)
    #expect(status(.add, .list([1, 3])) == .violated)
    #expect(status(.append, nil) == .violated)
    #expect(status(.add, 2) == .passed)
    #expect(status(.add, 1) == .violated)
  }

  @Test func writesComeAfterWhatTheSessionSaw() {
    func status(_ index: UInt64) -> Verdict.Status {
      Promises([
        op(1, .read, "a", 0, 1, index: 5), op(1, .write, "b", 2, 3, index: index),
      ]).writesInOrder().status
    }
    #expect(status(6) == .passed)
    #expect(status(4) == .violated)
    #expect(Promises([op(1, .write, "b", 2, 3)]).writesInOrder().status == .invalid)
  }

  // MARK: staleness

  @Test func stalenessIsCountedInVersionsAndTime() {
    let history = [
      op(0, .write, "a", 0, 10), op(0, .write, "b", 20, 30), op(0, .write, "c", 40, 50),
      op(1, .read, "a", 35, 36), op(1, .read, "a", 60, 61), op(1, .read, "c", 70, 71),
      // The write of `c` had not ended.
      op(1, .read, "b", 45, 46),
    ]
    let staleness = Promises(history).staleness()
    #expect(staleness.versions == [0, 0, 1, 2])
    #expect(staleness.times == [0, 0, 5, 30])
    #expect(Promises(history).versionStaleness(bound: 2).status == .passed)
    let beyond = Promises(history).versionStaleness(bound: 1)
    #expect(beyond.status == .violated)
    #expect(
      beyond.text
        == "of 4 reads 2 were stale; versions behind: p50 0, p99 2, max 2, allowed 1")
    #expect(Promises(history).timeStaleness(boundNanoseconds: 30).status == .passed)
    let late = Promises(history).timeStaleness(boundNanoseconds: 29)
    #expect(late.status == .violated)
    #expect(late.witness?.operations.map(\.value) == ["a", "b", "a"])
    #expect(
      late.text
        == "of 4 reads 2 were stale; replaced before the read by: p50 0 ns, p99 30 ns,"
        + " max 30 ns, allowed 29 ns")
  }

  @Test func whatNobodyWroteIsNeverFresh() {
    let verdict = Promises([op(1, .read, "z", 0, 1)]).versionStaleness(bound: 1000)
    #expect(verdict.status == .violated)
    #expect(verdict.text.hasSuffix("; 1 reads showed what nobody had written"))
  }

  // MARK: ends

  @Test func replicasMustHoldTheSame() {
    let writes = [op(0, .write, "a", 0, 1), op(0, .write, "b", 2, 3)]
    func verdict(_ values: [HistoryValue?]) -> Verdict {
      let reads = values.enumerated().map {
        op(7, .read, $0.element, 100 + UInt64($0.offset), 200, node: UInt32($0.offset + 1))
      }
      return Promises(writes + reads).convergence(finalFrom: 50, nodes: [1, 2, 3])
    }
    #expect(verdict(["b", "b", "b"]).status == .passed)
    #expect(verdict(["b", "b", "b"]).text == "all 1 keys are equal on 3 nodes")
    #expect(verdict(["b", "a", "b"]).status == .violated)
    #expect(verdict(["b", "b", nil]).status == .violated)
    #expect(verdict(["b", "b"]).status == .invalid)
  }

  @Test func tooFewDefiniteOutcomesProveNothing() {
    let known = op(0, .write, "a", 0, 1)
    let unknown = op(0, .write, "a", 0, nil, .unknown)
    let refused = op(0, .read, nil, 0, 1, .refused("no"))
    #expect(OutcomeCounts.verdict([]).status == .invalid)
    #expect(OutcomeCounts.verdict([unknown, unknown, known]).status == .invalid)
    #expect(OutcomeCounts.verdict([unknown, known]).status == .passed)
    #expect(OutcomeCounts.verdict([known, refused]).status == .invalid)
    #expect(
      OutcomeCounts.verdict([known, known, known, refused]).text
        == "0 of 1 read operations were answered, at least 1 must be (4 operations: 3 ok, 0 found"
        + " another value, 1 refused, 0 unknown)")
  }
}

/// The same by looking at all pairs.
private struct DumbPromises {
  var history: [HistoryOperation]

  struct Write { var start: UInt64, end: UInt64 }

  func writes(_ value: HistoryValue?, by time: UInt64) -> [Write] {
    var found = history.filter {
      guard $0.startNanoseconds <= time, $0.outcome == .ok || $0.outcome == .unknown else {
        return false
      }
      return $0.kind == .delete ? value == nil : $0.kind == .write && $0.value == value
    }.map {
      Write(
        start: $0.startNanoseconds,
        end: $0.outcome == .unknown ? .max : $0.endNanoseconds ?? .max)
    }
    if value == nil { found.append(Write(start: 0, end: 0)) }
    return found
  }

  /// Acknowledged writes that surely came after what was read, and before the read.
  func newer(_ read: HistoryOperation) -> [HistoryOperation]? {
    let written = writes(read.value, by: read.endNanoseconds ?? .max)
    guard !written.isEmpty else { return nil }
    return history.filter { write in
      [.write, .delete].contains(write.kind) && write.outcome == .ok
        && (write.endNanoseconds ?? .max) < read.startNanoseconds
        && written.allSatisfy { $0.end < write.startNanoseconds }
    }
  }

  var reads: [HistoryOperation] { history.filter { $0.kind == .read && $0.outcome == .ok } }

  func isBack(_ read: HistoryOperation, after earlier: HistoryOperation) -> Bool {
    let first = writes(earlier.value, by: .max).map(\.start).min()
    let last = writes(read.value, by: read.endNanoseconds ?? .max).map(\.end).max()
    guard let first, let last else { return false }
    return last < first
  }
}

@Suite struct PromisesPropertyTests {
  private func random(_ random: inout SeededRandom) -> [HistoryOperation] {
    let values: [HistoryValue] = ["a", "b", "c", "d", "e", "f"]
    var clock: [UInt64] = [1, 1, 1]
    return (0..<3 + random.below(12)).map { _ in
      let process = Int(random.below(3))
      let start = clock[process] + random.below(6)
      let end = start + random.below(8)
      clock[process] = end
      let value = values[Int(random.below(6))]
      let isUnknown = random.chance(1, in: 8)
      switch random.below(9) {
      case 0...3:
        return op(process, .write, value, start, end, isUnknown ? .unknown : .ok)
      case 4: return op(process, .delete, nil, start, end, isUnknown ? .unknown : .ok)
      default: return op(process, .read, random.chance(1, in: 5) ? nil : value, start, end)
      }
    }
  }

  @Test func countingAgreesWithLookingAtAllPairs() {
    var source = SeededRandom(seed: 11)
    var violated = [0, 0, 0]
    for round in 0..<5000 {
      let history = random(&source)
      let dumb = DumbPromises(history: history)
      let promises = Promises(history)
      let newer = dumb.reads.map { dumb.newer($0) }
      let known = newer.compactMap(\.self)

      let staleness = promises.staleness()
      #expect(staleness.versions == known.map(\.count).sorted(), "round \(round)")
      #expect(staleness.unwritten == newer.count - known.count)
      let times = zip(dumb.reads, newer).compactMap { read, newer in
        newer.map { newer in
          newer.compactMap(\.endNanoseconds).min().map { read.startNanoseconds - $0 } ?? 0
        }
      }
      #expect(staleness.times == times.sorted(), "round \(round)")

      let lost = newer.count { $0?.isEmpty != true }
      violated[0] += lost > 0 ? 1 : 0
      #expect(
        promises.noLostWrites(finalFrom: 0).status
          == (dumb.reads.isEmpty
            ? .invalid : lost > 0 ? .violated : .passed),
        "round \(round)")

      let risen = zip(dumb.reads, newer).contains { read, newer in
        read.value != nil && (newer?.contains { $0.kind == .delete } ?? false)
      }
      violated[1] += risen ? 1 : 0
      let found = promises.noResurrection()
      if risen { #expect(found.status == .violated, "round \(round)") }
      if let witness = found.witness, witness.operations.count > 1 {
        #expect(risen, "round \(round)")
      }

      let back = dumb.reads.contains { read in
        dumb.reads.contains {
          $0.process == read.process && $0.startNanoseconds < read.startNanoseconds
            && dumb.isBack(read, after: $0)
        }
      }
      let isBack = promises.monotonicReads().status == .violated
      if back { #expect(isBack, "round \(round)") }
      violated[2] += isBack ? 1 : 0
    }
    #expect(violated.allSatisfy { $0 > 200 }, "\(violated)")
  }
}
