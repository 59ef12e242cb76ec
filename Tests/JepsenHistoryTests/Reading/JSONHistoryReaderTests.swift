import KVBase
import Testing

@testable import JepsenHistory

func read(
  _ text: String, _ options: ReadingOptions = ReadingOptions()
) throws(HistoryProblem) -> RecordedHistory {
  try HistoryReader.read(Array(text.utf8), options)
}

func problem(_ text: String, _ options: ReadingOptions = ReadingOptions()) -> String {
  do throws(HistoryProblem) {
    return "read \(try read(text, options).operations.count) operations"
  } catch {
    return error.description
  }
}

/// Values of every kind, some of them odd.
enum RandomHistory {
  static func value(_ random: inout SeededRandom, depth: Int = 0) -> HistoryValue {
    switch random.below(depth < 3 ? 5 : 3) {
    case 0: return .integer(Int64(bitPattern: random.next()))
    case 1: return .integer(Int64(random.below(10)))
    case 2: return .text(text(&random))
    case 3: return .list((0..<random.below(4)).map { _ in value(&random, depth: depth + 1) })
    default:
      let names = Set((0..<random.below(4)).map { _ in text(&random) }).sorted()
      return .map(names.map { HistoryValue.Field($0, value(&random, depth: depth + 1)) })
    }
  }

  static func text(_ random: inout SeededRandom) -> String {
    let pieces = [
      "a", "key", "\"", "\\", "\n", "\t", "\u{1}", "é", "日本", "🙂", "/", "{", "null", " ", "",
    ]
    return (0..<random.below(4)).map { _ in pieces[Int(random.below(UInt64(pieces.count)))] }
      .joined()
  }

  /// A byte that means something to a reader.
  static func mark(_ random: inout SeededRandom) -> UInt8 {
    let marks = Array("{}[]()\",:\\-0e#_;\n".utf8)
    return marks[Int(random.below(UInt64(marks.count)))]
  }

  static func operation(_ random: inout SeededRandom) -> HistoryOperation {
    let kinds = HistoryOperation.Kind.allCases
    let kind = kinds[Int(random.below(UInt64(kinds.count)))]
    let start = random.below(1 << 40)
    var operation = HistoryOperation(
      process: Int(random.below(100)), kind: kind, key: text(&random),
      value: random.chance(1, in: 4) ? nil : value(&random),
      startNanoseconds: start, endNanoseconds: start + random.below(1 << 20), outcome: .ok)
    if kind == .cas, random.chance(3, in: 4) { operation.expected = value(&random) }
    if random.chance(1, in: 8) { operation.result = value(&random) }
    switch random.below(6) {
    case 0:
      operation.outcome = .unknown
      if random.chance(1, in: 2) { operation.endNanoseconds = nil }
    case 1: operation.outcome = .refused(text(&random))
    case 2 where kind == .cas: operation.outcome = .mismatch
    default: break
    }
    if random.chance(1, in: 3) { operation.node = UInt32(random.below(9)) }
    if random.chance(1, in: 3) { operation.index = random.next() }
    if random.chance(1, in: 3) { operation.served = text(&random) }
    return operation
  }
}

@Suite struct JSONHistoryReaderTests {
  @Test func aLineGivesAllThatItSays() throws {
    let history = try read(
      #"{"process":3,"op":"read","key":"a","value":"v","start_ns":5,"end_ns":9,"#
        + #""ok":true,"node":2,"index":7,"served":"lease"}"# + "\n\n"
        + #"{ "ok" : "unknown" , "start_ns":6, "future":{"x":[1.5e3,null,true]},"#
        + #" "op":"write","process":0,"key":"a","value":[1,"x",{"b":2,"a":-1}]}"# + "\n"
        + #"{"process":1,"op":"cas","key":"a","value":1,"expected":null,"start_ns":0,"#
        + #""end_ns":0,"ok":false}"# + "\r\n"
        + #"{"process":1,"op":"cas","key":7,"value":1,"expected":2,"start_ns":0,"#
        + #""end_ns":1,"ok":false,"error":"no leader"}"#)
    var first = HistoryOperation(
      process: 3, kind: .read, key: "a", value: "v", startNanoseconds: 5, endNanoseconds: 9,
      outcome: .ok)
    first.node = 2
    first.index = 7
    first.served = "lease"
    #expect(history.format == .json)
    #expect(
      history.operations == [
        first,
        HistoryOperation(
          process: 0, kind: .write, key: "a",
          value: .list([1, "x", .map([.init("a", -1), .init("b", 2)])]), startNanoseconds: 6,
          endNanoseconds: nil, outcome: .unknown),
        HistoryOperation(
          process: 1, kind: .cas, key: "a", value: 1, startNanoseconds: 0, endNanoseconds: 0,
          outcome: .mismatch),
        HistoryOperation(
          process: 1, kind: .cas, key: "7", value: 1, expected: 2, startNanoseconds: 0,
          endNanoseconds: 1, outcome: .refused("no leader")),
      ])
  }

  @Test func aFailedCasIsNoObservationWhereThatIsSaid() throws {
    let line =
      #"{"process":1,"op":"cas","key":"a","value":1,"expected":2,"#
      + #""start_ns":0,"end_ns":1,"ok":false}"#
    var options = ReadingOptions()
    #expect(try read(line, options).operations[0].outcome == .mismatch)
    options.failedCas = .ignored
    #expect(try read(line, options).operations[0].outcome == .refused(""))
  }

  static let start = #"{"process":1,"op":"read","key":"a","value":1,"#
  static let whole = start + #""start_ns":4,"end_ns":5,"ok":true}"#

  static let broken: [(String, String)] = [
    (
      #"{"process":1,"op":"raed","key":"a"}"#,
      "line 1, column 19: there is no such op: it is one of read, write, cas, delete, add, append,"
        + " transfer, scan, generate, acquire, release"
    ),
    (start + #""end_ns":5,"ok":true}"#, "line 1: start_ns is missing"),
    (start + #""start_ns":9,"end_ns":5,"ok":true}"#, "line 1: end_ns 5 is before start_ns 9"),
    (
      start + #""start_ns":4,"end_ns":5,"ok":"maybe"}"#,
      #"line 1, column 75: ok is true, false or "unknown""#
    ),
    (
      start + #""start_ns":4,"end_ns":5,"ok":1}"#,
      #"line 1, column 75: 1 stands where true, false or "unknown" for ok should"#
    ),
    (start + #""start_ns":4,"end_ns":5}"#, "line 1: ok is missing"),
    (
      start + #""start_ns":4,"ok":true}"#,
      "line 1: end_ns is missing, though ok says that an answer came"
    ),
    (
      whole + "\n\n" + start,
      "line 3, column 46: the line ends where a name in quotes should stand"
    ),
    (whole + "\n" + whole + "x", "line 2, column 80: x stands where the end of the line should"),
    (start + #""start_ns":-4}"#, "line 1, column 57: start_ns is less than 0"),
    (
      start + #""start_ns":1.5}"#,
      "line 1, column 57: a number with a fraction or exponent stands where a number of start_ns"
        + " should"
    ),
    (start + #""start_ns":99999999999999999999}"#, "line 1, column 57: a number is beyond 64 bits"),
    (start + #""key":"b"}"#, "line 1, column 46: a field stands twice"),
    (#"{"key":"\ud800"}"#, "line 1, column 11: half of a surrogate pair stands alone"),
    (#"{"key":null}"#, "line 1, column 8: key must be a string"),
    (#"{"value":[1,null]}"#, "line 1, column 13: null stands within a list or a map"),
    (#"{"value":{"a":1,"a":2}}"#, "line 1, column 10: a map has a field twice"),
    (
      "{\"value\":" + String(repeating: "[", count: 100),
      "line 1, column 74: brackets stand within brackets more than 64 deep"
    ),
    ("hello", "line 1, column 1: h stands where an object of JSON should"),
    ("{\"process\":\"a\"}", "line 1, column 12: \" stands where the number of a process should"),
  ]

  @Test(arguments: broken)
  func whatIsWrongIsSaidInASentence(_ text: String, _ sentence: String) {
    #expect(problem(text) == sentence)
  }

  @Test func bytesThatAreNotTextAreRefused() {
    var line = Array(Self.whole.utf8)
    line[line.firstIndex(of: UInt8(ascii: "a"))! + 0] = 0xFF
    #expect(throws: HistoryProblem.self) { try HistoryReader.read(line) }
  }

  @Test func limitsAreHeld() {
    var options = ReadingOptions()
    options.limits.operationBytes = 10
    #expect(problem(Self.whole, options) == "line 1: a line is longer than 10 bytes")
    options = ReadingOptions()
    options.limits.operations = 1
    #expect(
      problem(Self.whole + "\n" + Self.whole, options)
        == "line 2: there are more than 1 operations")
  }

  @Test func nothingIsAHistoryOfNothing() throws {
    #expect(try read("").operations.isEmpty)
    #expect(try read(" \n\n").operations.isEmpty)
    #expect(try read("\u{FEFF}" + Self.whole).operations.count == 1)
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    var random = SeededRandom(seed: 1)
    for round in 0..<200 {
      let operations = (0..<random.below(40)).map { _ in RandomHistory.operation(&random) }
      let bytes = Array(operations.map { $0.jsonLine + "\n" }.joined().utf8)
      var reader = HistoryReader()
      var remaining = bytes[...]
      while !remaining.isEmpty {
        let chunk = remaining.prefix(1 + Int(random.below(300)))
        try reader.feed(Array(chunk))
        remaining = remaining.dropFirst(chunk.count)
      }
      #expect(try reader.finish().operations == operations, "round \(round)")
    }
  }

  /// Bytes at random, and good histories with some bytes changed: an answer, never a trap.
  @Test func noBytesTrapTheReader() {
    var random = SeededRandom(seed: 2)
    for _ in 0..<3000 {
      var bytes = Array(
        (0..<3).map { _ in RandomHistory.operation(&random).jsonLine + "\n" }
          .joined().utf8)
      if random.chance(1, in: 8) {
        bytes = (0..<random.below(200)).map { _ in UInt8(random.below(256)) }
      }
      for _ in 0..<random.below(6) where !bytes.isEmpty {
        let position = Int(random.below(UInt64(bytes.count)))
        switch random.below(4) {
        case 0: bytes[position] = UInt8(random.below(256))
        case 1: bytes.remove(at: position)
        case 2: bytes.insert(RandomHistory.mark(&random), at: position)
        default: bytes.removeSubrange(position...)
        }
      }
      for format in [HistoryFormat.json, .edn, nil] {
        var options = ReadingOptions()
        options.format = format
        _ = try? HistoryReader.read(bytes, options)
      }
    }
  }
}
