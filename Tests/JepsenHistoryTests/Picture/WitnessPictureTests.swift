import KVBase
import Testing

@testable import JepsenHistory

@Suite struct WitnessPictureTests {
  private func op(
    _ process: Int, _ kind: HistoryOperation.Kind, _ value: HistoryValue?, _ start: UInt64,
    _ end: UInt64?, _ outcome: HistoryOperation.Outcome = .ok, expected: HistoryValue? = nil
  ) -> HistoryOperation {
    HistoryOperation(
      process: process, kind: kind, key: "x", value: value, expected: expected,
      startNanoseconds: start, endNanoseconds: end, outcome: outcome)
  }

  @Test func intervalsAreDrawnInTheirOrder() {
    let witness = Witness(
      key: "x",
      operations: [
        op(0, .write, 1, 1_000_000, 2_000_000), op(1, .write, 2, 2_500_000, 9_000_000),
        op(2, .cas, 3, 2_200_000, nil, .unknown, expected: 2),
        op(3, .read, 1, 9_100_000, 9_200_000),
      ],
      explanation: [
        "operation 4 (read -> 1) shows what is of operation 1 (write 1), and operation 2 began"
          + " after that."
      ])
    #expect(
      WitnessPicture.text(witness) == """
         1  p0 write 1                      |----|
         2  p1 write 2                                     |----|
         3  p2 cas 2 -> 3 (outcome unknown)           |- - - - - - - - - - - - - - - - >
         4  p3 read -> 1                                             |----|
         (in order of time, not to scale; > has no known end)

            process     start        end  operation
         1  0        0.000 ms   1.000 ms  write 1
         2  1        1.500 ms   8.000 ms  write 2
         3  2        1.200 ms  no answer  cas 2 -> 3 (outcome unknown)
         4  3        8.100 ms   8.200 ms  read -> 1

          operation 4 (read -> 1) shows what is of operation 1 (write 1), and operation
          2 began after that.
        """)
  }

  @Test func nothingIsWiderThanAskedFor() {
    var random = SeededRandom(seed: 5)
    for _ in 0..<300 {
      let operations = (0..<random.below(80)).map { _ in RandomHistory.operation(&random) }
      let witness = Witness(
        key: "x", operations: operations,
        explanation: [operations.map(\.words).joined(separator: " ")])
      for columns in [40, 80, 120] {
        let lines = WitnessPicture.picture(witness, columns: columns)
        #expect(lines.allSatisfy { $0.count <= columns })
        #expect(
          WitnessPicture.table(witness, columns: columns).allSatisfy {
            $0.count <= max(columns, 66)
          })
        _ = WitnessPicture.text(witness, columns: columns)
      }
    }
  }

  @Test func timesHaveAUnitThatSuitsThem() {
    #expect(TimeText.text(0) == "0 ns")
    #expect(TimeText.text(999) == "999 ns")
    #expect(TimeText.text(1_500) == "1.500 us")
    #expect(TimeText.text(1_234_567) == "1.234 ms")
    #expect(TimeText.text(12_345_678_900) == "12.345 s")
    #expect(TimeText.text(1_500, scale: 2_000_000) == "0.001 ms")
  }
}
