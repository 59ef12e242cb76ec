import Foundation
import JepsenHistory
import Testing

@testable import JepsenLite

/// What `check` may not say of histories that show nothing, or that are odd.
@Suite struct CheckDoubtTests {
  private func judge(_ lines: [String], _ flags: [String]) throws -> CheckReport {
    let file = FileManager.default.temporaryDirectory
      .appending(path: "doubt-\(UUID().uuidString).jsonl")
    try Data(lines.joined(separator: "\n").utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try CheckCommand.judge(try CheckArguments([file.path] + flags))
  }

  private func line(_ fields: String, _ start: Int) -> String {
    #"{"process":\#(start),"start_ns":\#(start),"end_ns":\#(start + 1),"ok":true,\#(fields)}"#
  }

  @Test(arguments: [
    ("bank", #""key":"a","op":"transfer","value":{"from":"a","to":"b","amount":5}"#),
    ("set", #""key":"a","op":"add","value":1,"result":1"#),
    ("register", #""key":"a","op":"write","value":1,"result":1"#),
    ("ids", #""key":"a","op":"read","value":1"#), ("scan", #""key":"a","op":"read","value":1"#),
    ("locks", #""key":"a","op":"read","value":1"#),
  ])
  func whatTheModelDoesNotLookAtProvesNothing(_ model: String, _ fields: String) throws {
    #expect(try judge([line(fields, 0)], ["--model", model]).verdict.status == .invalid)
  }

  @Test(arguments: [
    ("list", "[5]", "--initial is for registers, counters and banks"),
    ("set", "[5]", "--initial is for registers, counters and banks"),
    ("counter", "abc", "--initial of a counter is a whole number, not abc"),
    ("bank", "7", "--initial of a bank is its balances"),
  ])
  func anInitialValueThatIsNotUsedIsRefused(
    _ model: String, _ value: String, _ sentence: String
  ) throws {
    let read = line(#""key":"a","op":"read","value":null"#, 0)
    do {
      _ = try judge([read], ["--model", model, "--initial", value])
      Issue.record("taken: \(value)")
    } catch let failure as CheckInput.Failure {
      #expect(failure.text.hasPrefix(sentence))
    }
  }

  /// As many reads as one likes: the adds were all refused.
  @Test func aKindThatNeverSucceededProvesNothing() throws {
    func lines(refusing: Bool) -> [String] {
      let reads = (0..<20).map { line(#""key":"a","op":"read","value":null"#, $0 * 2) }
      let adds = (20..<40).map { start in
        line(#""key":"a","op":"add","value":1"#, start * 2)
          .replacing(#""ok":true"#, with: #""ok":false,"error":"no""#)
      }
      return reads + (refusing ? adds : [])
    }
    #expect(try judge(lines(refusing: false), ["--model", "counter"]).verdict.status == .passed)
    let refused = try judge(lines(refusing: true), ["--model", "counter"]).verdict
    #expect(refused.status == .invalid)
    #expect(refused.text.contains("0 of 20 add operations had their effect"))
  }

  @Test func aLeaseEndsALock() throws {
    let lines = [
      line(#""key":"a","op":"acquire","result":1"#, 0),
      line(#""key":"a","op":"acquire","result":2"#, 2_000_000_000),
    ]
    #expect(try judge(lines, []).verdict.status == .violated)
    #expect(try judge(lines, ["--lease", "1.5"]).verdict.status == .passed)
    #expect(try judge(lines, ["--lease", "3"]).verdict.status == .violated)
  }

  @Test func aBalanceBelowZeroMayBeForbidden() throws {
    let lines = [line(#""key":"a","op":"read","value":{"a":-1,"b":1}"#, 0)]
    #expect(try judge(lines, ["--model", "bank"]).verdict.status == .passed)
    #expect(try judge(lines, ["--model", "bank", "--no-overdraft"]).verdict.status == .violated)
  }

  @Test func keysAreNoCommandsToTheTerminal() throws {
    let key = #"\u001b[31m\u009b31m\r"# + String(repeating: "k", count: 200)
    let text = try judge([line(#""key":"\#(key)","op":"read","value":1"#, 0)], []).text
    #expect(text.contains("VIOLATED"))
    #expect(
      text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test func aLongValueIsShownByItsBeginning() throws {
    let value = String(repeating: "v", count: 3_000_000)
    let text = try judge([line(#""key":"a","op":"read","value":"\#(value)""#, 0)], []).text
    #expect(text.contains("VIOLATED") && text.utf8.count < 20_000)
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test func aWitnessThatCanNotBeWrittenLeavesTheVerdict() throws {
    let file = FileManager.default.temporaryDirectory
      .appending(path: "doubt-\(UUID().uuidString).jsonl")
    try Data(line(#""key":"a","op":"read","value":1"#, 0).utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    #expect(CheckCommand.run([file.path, "--witness", "no/such/folder/file"]) == .violated)
  }
}
