import JepsenHistory
import KVBase

/// A made-up run: 60 s at about 200 operations a second, two faults with service lost for a while,
/// and a stale read.
enum SampleRun {
  static let second: UInt64 = 1_000_000_000

  static func make(isViolated: Bool = true) -> RunRecord {
    var run = RunRecord(
      system: "kvnode 1.0", workload: "register", nemeses: ["isolate-leader", "kill-one"],
      seed: 7, seconds: 60, rate: 200, clients: 5, nodes: 3,
      command: "jepsen-lite run --workload register --nemesis isolate-leader,kill-one --seed 7",
      startedAt: "2026-01-31 12:00:00 UTC")
    run.settings = [("linearizable-reads", "lease")]
    run.loadEndNanoseconds = 60 * second
    run.faults = [
      FaultRecord(
        nemesis: "isolate-leader", what: "n1 cut off from n2 & n3", nodes: [1],
        startNanoseconds: 10 * second, endNanoseconds: 18 * second,
        proof: "12,345 bytes blocked on n1→n2, 11,002 on n1→n3", didBite: true),
      FaultRecord(
        nemesis: "kill-one", what: "n3 killed", nodes: [3], startNanoseconds: 30 * second,
        endNanoseconds: 37 * second, proof: "process 4711 ended by signal 9", didBite: true),
      FaultRecord(
        nemesis: "kill-one", what: "n2 killed <at once>", nodes: [2],
        startNanoseconds: 45 * second, endNanoseconds: 50 * second, proof: "none",
        didBite: false),
    ]
    run.nodeStates = [
      NodeState(node: 1, condition: .leader, startNanoseconds: 0, endNanoseconds: 11 * second),
      NodeState(
        node: 1, condition: .follower, startNanoseconds: 11 * second, endNanoseconds: 60 * second),
      NodeState(node: 2, condition: .follower, startNanoseconds: 0, endNanoseconds: 11 * second),
      NodeState(
        node: 2, condition: .leader, startNanoseconds: 11 * second, endNanoseconds: 60 * second),
      NodeState(node: 3, condition: .follower, startNanoseconds: 0, endNanoseconds: 30 * second),
      NodeState(
        node: 3, condition: .down, startNanoseconds: 30 * second, endNanoseconds: 37 * second),
      NodeState(
        node: 3, condition: .paused, startNanoseconds: 37 * second, endNanoseconds: 60 * second),
    ]
    var random = SeededRandom(seed: 1)
    for number in 0..<12_000 {
      let start = UInt64(number) * 5_000_000
      let isOut = start > 10 * second && start < 10 * second + 700_000_000
      let latency = 800_000 + random.below(3_000_000) + (random.chance(1, in: 200) ? 80_000_000 : 0)
      var operation = HistoryOperation(
        process: number % 5, kind: number % 3 == 0 ? .write : .read, key: "k\(number % 4)",
        value: .integer(Int64(number)), startNanoseconds: start,
        endNanoseconds: start + latency, outcome: .ok)
      if isOut {
        operation.outcome = number % 2 == 0 ? .unknown : .refused("no quorum")
        operation.endNanoseconds = number % 2 == 0 ? nil : start + 500_000_000
      }
      run.history.append(operation)
    }
    run.verdicts = [
      Verdict(
        "heals", .passed, method: "asking every node", text: "healthy again after 1.2 s"),
      Verdict(
        "linearizability of registers", .passed, method: "zones",
        text: "12,000 operations on 4 keys"),
    ]
    if isViolated { run.verdicts[1] = violation }
    return run
  }

  private static var violation: Verdict {
    func operation(
      _ process: Int, _ kind: HistoryOperation.Kind, _ value: HistoryValue, _ start: UInt64,
      _ end: UInt64?
    ) -> HistoryOperation {
      HistoryOperation(
        process: process, kind: kind, key: "k1", value: value,
        startNanoseconds: 11 * second + start * 1_000_000,
        endNanoseconds: end.map { 11 * second + $0 * 1_000_000 },
        outcome: end == nil ? .unknown : .ok)
    }
    return Verdict(
      "linearizability of registers", .violated, method: "zones",
      text: "no order explains what was read of k1",
      witness: Witness(
        key: "k1",
        operations: [
          operation(0, .write, "0.16", 1, 5), operation(1, .write, "1.17", 7, 12),
          operation(2, .read, "0.16", 14, 18), operation(3, .write, "3.9", 4, nil),
        ],
        explanation: [
          "process 1's write of 1.17 ended before process 2's read began",
          "so the read must find 1.17 or something newer, but it found 0.16",
        ]))
  }
}
