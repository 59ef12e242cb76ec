import Testing

@testable import JepsenHistory

/// Histories that were once judged wrongly.
@Suite struct OddHistoryTests {
  private func verdict(
    _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model
  ) -> Verdict { LinearizabilityChecker().check(history, model: model) }

  /// One accent in two ways: equal to Swift, and other bytes to a store.
  private let composed = "\u{E9}"
  private let decomposed = "e\u{301}"

  @Test func textsAreTheSameWhereTheirBytesAre() throws {
    let (one, other) = (HistoryValue.text(composed), HistoryValue.text(decomposed))
    #expect(composed == decomposed && one != other)
    #expect(HistoryValue.list([one]) != .list([other]))
    #expect(HistoryValue.map([.init(composed, 1)]) != .map([.init(decomposed, 1)]))
    let appended = operation(.append, one, 0, 1)
    #expect(verdict([appended, operation(.read, .list([one]), 2, 3)], .list).status == .passed)
    #expect(verdict([appended, operation(.read, .list([other]), 2, 3)], .list).status == .violated)
    // Long enough not to be packed.
    let long = "a text of more than fifteen bytes "
    let history = [
      operation(.write, .text(long + composed), 0, 1),
      operation(.read, .text(long + decomposed), 2, 3),
    ]
    #expect(verdict(history, .register).status == .violated)
    #expect(
      try read(
        #"{"process":1,"op":"read","key":"a","value":{"\#(composed)":1,"\#(decomposed)":2},"#
          + #""start_ns":0,"end_ns":1,"ok":true}"#
      ).operations.count == 1)
  }

  @Test func keysAreTheSameWhereTheirBytesAre() {
    let history = [
      operation(.write, 1, 0, 1, key: composed), operation(.write, 2, 2, 3, key: decomposed),
    ]
    #expect(Promises(history).keys.count == 2)
    let found = operation(.scan, .list([.text(decomposed), .text(composed)]), 4, 5, key: "")
    #expect(verdict(history + [found], .scan).status == .passed)
    let one = operation(.scan, .list([.text(composed)]), 4, 5, key: "")
    #expect(verdict(history + [one], .scan).status == .violated)
  }

  @Test func whatLooksAtNothingHasNotPassed() {
    let read = operation(.read, 1, 0, 1)
    for model in [LinearizabilityChecker.Model.ids, .scan, .locks] {
      #expect(verdict([read], model).status == .invalid)
    }
    #expect(verdict([operation(.generate, nil, 0, 1)], .ids).status == .invalid)
  }

  @Test func sumsBeyond64BitsAreNoBounds() {
    let half = operation(.add, .integer(Int64.max), 0, nil, outcome: .unknown)
    #expect(verdict([half, half, operation(.read, 0, 2, 3)], .counter).status == .passed)
  }

  @Test func aViolationIsNotHiddenByAnotherKey() {
    let history = [
      operation(.read, 5, 0, 1, key: "a"), operation(.append, 1, 0, 1, key: "b"),
      operation(.read, .list([2]), 2, 3, key: "b"),
    ]
    #expect(verdict(history, .list).status == .violated)
    #expect(verdict([history[0]], .list).status == .invalid)
  }

  @Test func aLateReleaseMayEndALaterHolding() {
    func acquire(_ process: Int, _ token: HistoryValue?, _ start: UInt64) -> HistoryOperation {
      operation(.acquire, nil, start, start + 1, process: process, result: token)
    }
    var late = operation(.release, nil, 2, nil, process: 0, outcome: .unknown)
    let history = [acquire(0, 1, 0), acquire(0, 2, 4), acquire(1, 3, 6)]
    #expect(verdict(history + [late], .locks).status == .passed)
    // One with a token ends the holding of that token only.
    late.result = 1
    #expect(verdict(history + [late], .locks).status == .violated)
  }

  @Test func locksNeedNoTokens() {
    func acquire(_ process: Int, _ start: UInt64) -> HistoryOperation {
      operation(.acquire, nil, start, start + 1, process: process)
    }
    let release = operation(.release, nil, 2, 3, process: 0)
    #expect(verdict([acquire(0, 0), release, acquire(1, 4)], .locks).status == .passed)
    #expect(verdict([acquire(0, 0), acquire(1, 4)], .locks).status == .violated)
  }

  @Test func aTypedNumberIsOneWhereOnlyACasHasNumbers() throws {
    let cas = operation(.cas, nil, 0, 1, expected: 2, outcome: .mismatch)
    #expect(try HistoryValue.typed("2", like: [cas]) == .integer(2))
    #expect(try HistoryValue.typed("2", like: [operation(.read, "2", 0, 1)]) == .text("2"))
  }

  @Test(arguments: [
    (#""op":"write","val":1,"ok":true"#, "value"), (#""op":"read","val":1,"ok":true"#, "value"),
    (#""op":"write","ok":"unknown""#, "value"), (#""op":"generate","ok":true"#, "value"),
    (#""op":"cas","value":1,"old":2,"ok":false"#, "expected"),
  ])
  func aFieldUnderAnotherNameIsMissed(_ fields: String, _ missing: String) {
    #expect(
      problem(#"{"process":1,"key":"a","start_ns":0,"end_ns":1,"# + fields + "}")
        == "line 1: \(missing) is missing: what is absent is written as null")
  }

  @Test func aReadOfAKeyAndNothingIsOfManyKeys() throws {
    let history =
      "{:process 0, :type :invoke, :f :write, :value [0 3], :time 1}"
      + "{:process 0, :type :ok, :f :write, :value [0 3], :time 2}"
      + "{:process 0, :type :invoke, :f :read, :value [0 nil], :time 3}"
      + "{:process 0, :type :ok, :f :read, :value [0 3], :time 4}"
    #expect(problem(history).contains("say --independent"))
    var options = ReadingOptions()
    options.isIndependent = true
    #expect(try read(history, options).operations.map(\.key) == ["0", "0"])
  }

  @Test func whatAnAcquireAnswersIsItsToken() throws {
    let history =
      "{:process 0, :type :invoke, :f :acquire, :value nil, :time 1}"
      + "{:process 0, :type :ok, :f :acquire, :value 7, :time 2}"
    #expect(try read(history).operations[0].result == 7)
  }
}
