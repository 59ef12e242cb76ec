import KVBase
import Testing

@Suite struct JSONTests {
  @Test func jsonIsWrittenAndReadBack() throws {
    let value = JSON.object([
      "text": .text("a\"b\\c\n\u{1}é😀\u{7f}"), "list": .array([.null, .bool(true), .integer(-5)]),
      "big": .unsigned(.max), "number": .number(1.5), "empty": .object([] as [JSON.Member]),
    ])
    #expect(try JSON(parsing: value.line.utf8) == value)
    #expect(!value.line.contains("\n"))
    #expect(JSON.text("a\u{7f}").line == "\"a\\u007f\"")
  }

  @Test func jsonOfOthersIsRead() throws {
    #expect(
      try JSON(parsing: " [1, 2.5e3 ,\t\"\\ud83d\\ude00\\/\" ] ".utf8)
        == .array([.integer(1), .number(2500), .text("😀/")]))
    let bad = [
      "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "nul", "\"\u{1}\"", "\"\\x\"", "\"\\ud83d\"", "1 2",
      "+1", ".5", "\"abc", "{a:1}", "--1",
    ]
    for text in bad {
      #expect(throws: JSONError.self, "\(text)") { try JSON(parsing: text.utf8) }
    }
    #expect(throws: JSONError.self) {
      try JSON(parsing: String(repeating: "[", count: 100_000).utf8)
    }
    #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
  }

  @Test(arguments: ["", "{", "[1,]", "{\"a\":}", "{\"a\" 1}", "nul", "1 2", "\"", "{a:1}"])
  func whatIsNotJSONIsRefused(text: String) {
    #expect(throws: JSONError.self) { try JSON(parsing: text.utf8) }
  }

  @Test func deepJSONIsRefused() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONError.self) { try JSON(parsing: deep.utf8) }
  }

  @Test func oneEscaperServesAll() {
    let text = "a\"b\\c\n\r\t\u{1}\u{7f}é"
    #expect(JSON.quoted(text) == #""a\"b\\c\n\r\t\u0001\u007fé""#)
    #expect(JSON.quoted(text) == JSON.text(text).line)
    #expect(JSON.quoted("plain é") == "\"plain é\"")
  }

  @Test func numbersKeepTheirKind() throws {
    let text = "[0, -0, 9223372036854775807, 18446744073709551615, 1e2, 1.0, 20000000000000000000]"
    #expect(
      try JSON(parsing: text.utf8)
        == .array([
          .integer(0), .integer(0), .integer(.max), .unsigned(.max), .number(100), .number(1),
          .number(2e19),
        ]))
    for bad in ["01", "1.", "1.e2", "1e", "-", "1e400"] {
      #expect(throws: JSONError.self, "\(bad)") { try JSON(parsing: bad.utf8) }
    }
  }

  @Test func anErrorSaysWhere() {
    #expect(throws: JSONError(at: 5, text: "} stands where a value of JSON should")) {
      try JSON(parsing: "{\"a\":}".utf8)
    }
    #expect("\(JSONError(at: 5, text: "x"))" == "x at column 6")
  }

  @Test func aValueIsSteppedOver() throws {
    let text = #"{"a":[1,{"b":null}],"c":"\u00e9"} ,"#
    var cursor = JSONCursor(Array(text.utf8), from: 0, to: text.utf8.count, maximumDepth: 8)
    try cursor.skipValue()
    #expect(cursor.peek() == UInt8(ascii: ","))
    #expect(throws: JSONError.self) { try cursor.finish("the end") }
  }
}
