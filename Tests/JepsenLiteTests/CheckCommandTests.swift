import Foundation
import JepsenHistory
import Testing

@testable import JepsenLite

@Suite struct CheckCommandTests {
  /// Judges a history that is in a file for as long.
  private func judge(_ history: String, _ flags: [String] = []) throws -> CheckReport {
    let file = FileManager.default.temporaryDirectory
      .appending(path: "check-\(UUID().uuidString).jsonl")
    try Data(history.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try CheckCommand.judge(try CheckArguments([file.path] + flags))
  }

  private func line(
    _ process: Int, _ op: String, _ value: String, _ start: Int, _ end: Int?, ok: String = "true"
  ) -> String {
    #"{"process":\#(process),"op":"\#(op)","key":"x","value":\#(value),"#
      + #""start_ns":\#(start),"end_ns":\#(end.map { "\($0)" } ?? "null"),"ok":\#(ok)}"# + "\n"
  }

  private var good: String {
    line(0, "write", "1", 0, 5) + line(1, "read", "1", 6, 7) + line(0, "write", "2", 8, 9)
  }

  private var bad: String { good + line(1, "read", "1", 10, 11) }

  @Test func aGoodHistoryPasses() throws {
    let report = try judge(good)
    #expect(report.verdict.status == .passed)
    #expect(report.model == .register)
    #expect(
      report.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        .contains("3 operations on 1 key by 2 processes"))
    #expect(report.text.contains("PASSED: linearizability"))
  }

  @Test func aBadHistoryIsShownWithItsWitness() throws {
    let report = try judge(bad, ["--model", "register", "--seconds=5", "--memory", "100"])
    #expect(report.verdict.status == .violated)
    #expect(CheckCommand.exitCode(report.verdict.status) == .violated)
    #expect(report.text.contains("VIOLATED"))
  }

  @Test(arguments: [
    "", "\n",
    #"{"process":0,"op":"write","key":"x","value":1,"start_ns":0,"end_ns":1,"ok":true}"#,
    #"{"process":0,"op":"read","key":"x","start_ns":0,"ok":"unknown"}"#,
    #"{"process":0,"op":"read","key":"x","start_ns":0,"ok":false,"error":"no"}"#,
  ])
  func aHistoryWhereNothingIsKnownProvesNothing(_ history: String) throws {
    let report = try judge(history)
    #expect(report.verdict.status == .invalid)
    #expect(CheckCommand.exitCode(report.verdict.status) == .invalid)
  }

  @Test func noLineIsWiderThanATerminal() throws {
    for history in [good, bad, ""] {
      let lines = try judge(history).text.split(separator: "\n")
      // The name of the file may be a long word.
      #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
    }
  }

  @Test func theJSONHasWhatTheTextHas() throws {
    let object = try JSONSerialization.jsonObject(with: Data(try judge(bad).json.utf8))
    let fields = try #require(object as? [String: Any])
    #expect(fields["verdict"] as? String == "violated")
    #expect(fields["operations"] as? Int == 4)
    #expect(fields["read_seconds"] is Double)
    #expect(fields["decision_seconds"] is Double)
  }

  static let wrong: [([String], String)] = [
    ([], "a history is needed: name its file, or - for standard input"),
    (["a", "b"], "one history is checked at a time, not 2"),
    (["a", "--model"], "--model needs a value"),
    (
      ["a", "--model", "tree"],
      "there is no model tree: register, counter, list, set, bank, scan, ids, locks"
    ),
    (["a", "--failed-cas", "maybe"], "--failed-cas is observed or ignored, not maybe"),
    (["a", "--seconds", "nan"], "--seconds needs a number above 0, not nan"),
    (["a", "--memory", "-1"], "--memory needs a number of megabytes, not -1"),
    (["a", "--what"], "there is no option --what"),
  ]

  @Test(arguments: wrong)
  func wrongArgumentsAreSaidInASentence(_ arguments: [String], _ sentence: String) {
    do throws(CheckArguments.Problem) {
      _ = try CheckArguments(arguments)
      Issue.record("taken: \(arguments)")
    } catch {
      #expect(error.text == sentence)
    }
  }

  @Test func brokenFilesAreSaidInASentence() throws {
    func sentence(_ file: String) -> String {
      do throws(CheckInput.Failure) {
        return "\(try CheckInput.read(file, ReadingOptions()).operations.count) operations"
      } catch {
        return error.text
      }
    }
    #expect(
      sentence("no/such/file")
        == "no/such/file can't be opened: No such file or directory; name a history, or - for"
        + " standard input")
    let folder = FileManager.default.temporaryDirectory.path
    #expect(
      sentence(folder) == "\(folder) is a folder: name the history within it, as"
        + " \(folder)/history.jsonl")
  }

  @Test func modelsAreSeenFromTheOperations() throws {
    func model(_ history: String) throws -> LinearizabilityChecker.Model {
      try judge(history).model
    }
    #expect(try model(line(0, "append", "1", 0, 1)) == .list)
    #expect(try model(line(0, "generate", "1", 0, 1)) == .ids)
    #expect(try model(line(0, "acquire", "null", 0, 1)) == .locks)
    #expect(try model(line(0, "add", "1", 0, 1)) == .counter)
    #expect(try model(line(0, "add", "1", 0, 1) + line(0, "read", "[1]", 2, 3)) == .set)
    #expect(try model(good) == .register)
  }

  @Test func initialValuesTakeTheFormOfTheHistory() throws {
    let numbers = [
      HistoryOperation(
        process: 0, kind: .read, key: "x", value: 7, startNanoseconds: 0, endNanoseconds: 1,
        outcome: .ok)
    ]
    #expect(try HistoryValue.typed("7", like: numbers) == 7)
    #expect(try HistoryValue.typed("7", like: []) == "7")
    #expect(try HistoryValue.typed("\"7\"", like: numbers) == "7")
    #expect(try HistoryValue.typed("nil", like: numbers) == nil)
    #expect(
      try HistoryValue.typed(#"{"b":1,"a":2}"#, like: []) == .map([.init("a", 2), .init("b", 1)]))
    #expect(throws: HistoryProblem.self) { try HistoryValue.typed("[1", like: []) }
  }
}
