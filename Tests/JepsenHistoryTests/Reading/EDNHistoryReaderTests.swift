import KVBase
import Testing

@testable import JepsenHistory

@Suite struct EDNHistoryReaderTests {
  @Test func eventsBecomeOperations() throws {
    let history = try read(
      """
      ; a register
      {:type :invoke, :f :write, :value 1, :process 0, :time 10, :index 0}
      {:type :invoke, :f :read, :value nil, :process 1, :time 11, :index 1}
      {:type :info, :f :start-partition, :value "halves", :process :nemesis, :time 12, :index 2}
      {:type :ok, :f :read, :value nil, :process 1, :time 13, :index 3}
      {:type :ok, :f :write, :value 1, :process 0, :time 14, :index 4}
      {:type :invoke, :f :cas, :value [1 2], :process 2, :time 15}
      {:type :info, :f :cas, :value [1 2], :process 2, :time 16, :error [:timeout "5 s"]}
      {:type :invoke, :f :cas, :value [3 4], :process 3, :time 17}
      {:type :fail, :f :cas, :value [3 4], :process 3, :time 18}
      {:type :invoke, :f :read, :process 4, :time 19}
      {:type :fail, :f :read, :process 4, :time 20, :error :no-leader}
      {:type :invoke, :f :write, :value 9, :process 5, :time 21}
      """)
    func operation(
      _ process: Int, _ kind: HistoryOperation.Kind, _ value: HistoryValue?,
      _ expected: HistoryValue?, _ start: UInt64, _ end: UInt64?,
      _ outcome: HistoryOperation.Outcome
    ) -> HistoryOperation {
      HistoryOperation(
        process: process, kind: kind, key: "x", value: value, expected: expected,
        startNanoseconds: start, endNanoseconds: end, outcome: outcome)
    }
    #expect(history.format == .edn)
    #expect(history.skippedEvents == 1)
    #expect(
      history.operations == [
        operation(0, .write, 1, nil, 10, 14, .ok),
        operation(1, .read, nil, nil, 11, 13, .ok),
        operation(2, .cas, 2, 1, 15, nil, .unknown),
        operation(3, .cas, 4, 3, 17, 18, .refused("failed")),
        operation(4, .read, nil, nil, 19, 20, .refused(":no-leader")),
        operation(5, .write, 9, nil, 21, nil, .unknown),
      ])
  }

  @Test func aFailedCasIsAnObservationWhereThatIsSaid() throws {
    let text = """
      {:type :invoke, :f :cas, :value [3 4], :process 3}
      {:type :fail, :f :cas, :value [3 4], :process 3}
      {:type :invoke, :f :cas, :value [3 4], :process 3}
      {:type :fail, :f :cas, :value [3 4], :process 3, :error :unavailable}
      """
    var options = ReadingOptions()
    options.failedCas = .observed
    let operations = try read(text, options).operations
    #expect(operations.map(\.outcome) == [.mismatch, .refused(":unavailable")])
    // Without :time the order stands for it.
    #expect(operations.map(\.startNanoseconds) == [1, 3])
    #expect(operations.map(\.endNanoseconds) == [2, 4])
  }

  @Test func aVectorOfTaggedRecordsIsRead() throws {
    let history = try read(
      """
      [#jepsen.history.Op{:index 0, :time 1, :type :invoke, :process 0, :f :append,
         :value #jepsen.independent.Tuple [:k1 7]}
       #_ {:type :nonsense}
       #jepsen.history.Op{:index 1, :time 2, :type :ok, :process 0, :f :append,
         :value #jepsen.independent.Tuple [:k1 7]} ; done
       {:index 2, :time 3, :type :invoke, :process 1, :f :read,
         :value #clojure.lang.MapEntry [:k1 nil]}
       {:index 3, :time 4, :type :ok, :process 1, :f :read, :value #clojure.lang.MapEntry [:k1 [7]]
        :at #inst "2020-01-01T00:00:00Z" :more {:a \\newline, :b ##NaN, :c 1/2}}
      ]
      """)
    #expect(history.operations.map(\.key) == ["k1", "k1"])
    #expect(history.operations.map(\.kind) == [.append, .read])
    #expect(history.operations.map(\.value) == [7, .list([7])])
  }

  @Test func keysAreTakenApartWhereThatIsSaid() throws {
    var options = ReadingOptions()
    options.isIndependent = true
    let operations = try read(
      """
      {:type :invoke, :f :cas, :value [5 [1 2]], :process 0}
      {:type :ok, :f :cas, :value [5 [1 2]], :process 0}
      {:type :invoke, :f :read, :value [5 nil], :process 0}
      {:type :ok, :f :read, :value [5 2], :process 0}
      """, options
    ).operations
    #expect(operations.map(\.key) == ["5", "5"])
    #expect(operations[0].expected == 1 && operations[0].value == 2)
    #expect(operations[1].value == 2)
  }

  @Test func banksSetsAndTransactionsOfOne() throws {
    let operations = try read(
      """
      {:type :invoke, :f :transfer, :value {:from 0, :to 1, :amount 5}, :process 0}
      {:type :ok, :f :transfer, :value {:from 0, :to 1, :amount 5}, :process 0}
      {:type :invoke, :f :read, :process 0}
      {:type :ok, :f :read, :value {1 15, 0 5}, :process 0}
      {:type :invoke, :f :add, :value 3, :process 0}
      {:type :ok, :f :add, :value 3, :process 0}
      {:type :invoke, :f :read, :process 0}
      {:type :ok, :f :read, :value #{3}, :process 0}
      {:type :invoke, :f :txn, :value [[:r 8 nil]], :process 0}
      {:type :ok, :f :txn, :value [[:r 8 [1 2]]], :process 0}
      """
    ).operations
    #expect(
      operations.map(\.value) == [
        .map([.init("amount", 5), .init("from", "0"), .init("to", "1")]),
        .map([.init("0", 5), .init("1", 15)]), 3, .list([3]), .list([1, 2]),
      ])
    #expect(operations[4].key == "8")
  }

  static let broken: [(String, String)] = [
    (
      "{:type :invoke, :f :read, :process 0}\n{:type :invoke, :f :read, :process 0}",
      "line 2, column 1: process 0 invokes :read while its :read of line 1 is open"
    ),
    (
      "{:type :ok, :f :read, :process 0}",
      "line 1, column 1: process 0 completes an operation that it never invoked"
    ),
    ("{:type :invoke, :f :read", "line 1, column 25: the history ends within brackets"),
    ("{:type :invoke, :f :read]", "line 1, column 25: ] stands where a form of EDN should"),
    ("{:type}", "line 1, column 1: a map has a key without a value"),
    (
      "[{:type :invoke, :f :read, :process 0}\n",
      "line 2, column 1: the history ends, and the bracket of line 1 is not closed"
    ),
    ("[] {:type :ok}", "line 1, column 4: something follows after the end of the history"),
    (
      "{:type :invoke, :f :enqueue, :value 1, :process 0}",
      "line 1, column 1: there is no check for :f :enqueue: known are :read, :write, :cas,"
        + " :delete, :add, :append, :transfer, :generate, :acquire, :release and :txn of one"
        + " operation"
    ),
    (
      "\n {:type :invoke, :f :cas, :value 1, :process 0}",
      "line 2, column 2: 1 stands where the values of a cas should, [old new]"
    ),
    ("{:type :invoke, :f :read}", "line 1, column 1: :process is missing"),
    (
      "{:type :invoke, :f :txn, :process 0, :value [[:r 1 nil] [:r 2 nil]]}",
      "line 1, column 1: a :txn is checked here only where it is one :r, :w or :append, as in"
        + " [[:append 5 1]], and this is [[:r 1 nil] [:r 2 nil]]"
    ),
    (
      "{:type :invoke, :f :read, :process 0, :time 5} {:type :ok, :f :read, :process 0, :time 4}",
      "line 1, column 48: process 0 completes at :time 4, before it invokes at 5"
    ),
    (
      "{:type :invoke, :f :read, :process 0, :time 5} {:type :ok, :f :read, :process 0}",
      "line 1, column 48: :time is missing, though earlier operations have it"
    ),
    ("{:a \"\\q\"}", "line 1, column 6: there is no such escape in a string of EDN"),
    (":a", "line 1, column 1: :a stands where a map of an operation should"),
  ]

  @Test(arguments: broken)
  func whatIsWrongIsSaidInASentence(_ text: String, _ sentence: String) {
    var options = ReadingOptions()
    options.format = .edn
    #expect(problem(text, options) == sentence)
  }

  @Test func chunksMakeNoDifference() throws {
    let text = """
      ; first [
      [{:type :invoke, :f :write, :value "a;\\n}", :process 0, :time 10} ; {
       #_ {:b "]"} #jepsen.history.Op {:type :ok, :f :write, :value "a;\\n}", :process 0, :time 12}
       {:type :invoke, :f :read, :process -10, :time +13} #_ #{1}
      ] ; end ]
      """
    let whole = try read(text)
    #expect(whole.operations.count == 2)
    for size in 1...40 {
      var reader = HistoryReader()
      var remaining = Array(text.utf8)[...]
      while !remaining.isEmpty {
        try reader.feed(Array(remaining.prefix(size)))
        remaining = remaining.dropFirst(size)
      }
      #expect(try reader.finish().operations == whole.operations, "chunks of \(size)")
    }
  }

  @Test func noBytesTrapTheReader() {
    var random = SeededRandom(seed: 3)
    let good = Array(
      """
      [#jepsen.history.Op{:type :invoke, :f :cas, :value [1 [2 3]], :process 0, :time 10}
      {:type :ok, :f :cas, :value [1 [2 3]] :process 0 :time 11 :x "a\\u00e9" :y #{\\a 1.5 -2N}}
      #_ 5 {:type :info, :f :kill, :process :nemesis, :value {:a nil}}]
      """.utf8)
    for round in 0..<5000 {
      var bytes = good
      for _ in 0...random.below(5) where !bytes.isEmpty {
        let position = Int(random.below(UInt64(bytes.count)))
        switch random.below(4) {
        case 0: bytes[position] = UInt8(random.below(256))
        case 1: bytes.remove(at: position)
        case 2: bytes.insert(RandomHistory.mark(&random), at: position)
        default: bytes.removeSubrange(position...)
        }
      }
      var options = ReadingOptions()
      options.format = .edn
      options.isIndependent = round % 2 == 0
      _ = try? HistoryReader.read(bytes, options)
    }
  }
}
