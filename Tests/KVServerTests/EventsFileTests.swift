import Foundation
import KVBase
import KVFiles
import Testing

@Suite struct EventsFileTests {
  /// Each line is JSON, whatever a note says.
  @Test func aNoteIsReadBackAsItWas() throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "events-\(UInt64.random(in: 0...UInt64.max))").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let text = "a \"quoted\" path\\, a line\nand \u{1}"
    try EventsFile(path: path, node: NodeID(2)).append(
      .note(.warning, text), wallMilliseconds: 1000)
    let line = try String(contentsOfFile: path, encoding: .utf8)
    #expect(line.hasSuffix("\n") && line.split(separator: "\n").count == 1)
    let event = try JSON(parsing: line.utf8)
    #expect(event["text"] == .text(text))
    #expect(event["node"] == .integer(2) && event["event"] == .text("note"))
  }
}
