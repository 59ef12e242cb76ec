import Foundation
import Testing

@testable import KVCommandLine

/// Files that are written whole or not at all, and what an import says of its failures.
@Suite struct TransferTests {
  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("transfer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  private func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func aFileThatIsNotEndedLeavesTheFormerOne() throws {
    try withFolder { folder in
      let path = folder + "/backup"
      try Data("old\n".utf8).write(to: URL(fileURLWithPath: path))
      try Self.write("new", to: path, ends: false)
      #expect(text(path) == "old\n")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["backup"])
      try Self.write("new", to: path, ends: true)
      #expect(text(path) == "new\n")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["backup"])
      // A new file appears at its end.
      try Self.write("x", to: folder + "/other", ends: false)
      #expect(text(folder + "/other") == nil)
    }
  }

  @Test func aFileKeepsItsPermissionsAndALinkItsPlace() throws {
    try withFolder { folder in
      let path = folder + "/backup"
      try Data("old\n".utf8).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/link", withDestinationPath: "backup")
      try Self.write("new", to: folder + "/link", ends: true)
      #expect(text(path) == "new\n")
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
    }
  }

  private static func write(_ line: String, to path: String, ends: Bool) throws {
    var writer = try FileWriter(path: path)
    // More than is gathered in memory.
    if !ends { try writer.write(line: [UInt8](repeating: 65, count: 100_000)) }
    try writer.write(line: Array(line.utf8))
    if ends { try writer.commit() }
  }

  @Test func failuresAreToldInTheOrderOfTheLines() {
    var failures = ImportFailures()
    for number in [1, 2, 4, 5] { failures.begin(number) }
    #expect(failures.end(4, [4], .init("down", isFinal: false)).isEmpty)
    #expect(failures.end(2, [2], .init("no JSON", isFinal: true)).isEmpty)
    #expect(failures.end(1, [1], nil) == ["line 2: no JSON", "line 4: down"])
    #expect(failures.end(5, [5], nil).isEmpty)
    #expect(failures.count == 2 && failures.lines == [[2], [4]])
    #expect(
      failures.summary(path: "f", command: "again") == ", 2 failed; 1 of them must be corrected in "
        + "f; then 'again' tries all again")
  }

  @Test func manyFailuresAreKeptAndTenAreShown() {
    var failures = ImportFailures()
    var said: [String] = []
    for number in 1...1000 { failures.begin(number) }
    for number in (1...1000).reversed() {
      said += failures.end(number, [7], .init("down", isFinal: false))
    }
    #expect(said.count == 11 && said.first == "line 1: down")
    #expect(failures.lines.count == 1000)
    #expect(
      failures.summary(path: "f", command: "again") == ", 1,000 failed; 'again' tries them again")
    #expect(
      failures.summary(path: nil, command: "again").contains("give --failures FILE"))
  }

  @Test func linesThatCanNeverBeStoredAreNotOfferedAsTheyAre() {
    var failures = ImportFailures()
    failures.begin(1)
    _ = failures.end(1, [1], .init("not a JSON object", isFinal: true))
    #expect(
      failures.summary(path: "f", command: "again")
        == ", 1 failed; correct them in f, then 'again' tries them again")
  }

  @Test func whatAnEarlierImportLeftIsNotReplaced() {
    let there: Set = ["f", "f-2"]
    #expect(ImportFailures.free("f", exists: there.contains) == "f-3")
    #expect(ImportFailures.free("g", exists: there.contains) == "g")
  }

  /// Else the lines go into another keyspace, or to another cluster.
  @Test func theCommandThatIsAdvisedHasTheFlagsThatWereGiven() throws {
    let spec = CommandSpec(
      "kvctl import", "", examples: [], positionals: [Positional("FILE", "")],
      flags: [
        Flag("keyspace", short: "k", value: "NAME", default: "default", ""),
        Flag("endpoints", value: "LIST", default: "a:1", repeats: true, ""),
        Flag("failures", value: "FILE", ""), Flag("hex", ""), Flag("timeout", value: "T", ""),
      ])
    let settings = try Settings(
      spec,
      try spec.parse(
        ["in", "-k", "my space", "--endpoints", "h:1,h:2", "--failures", "f", "--hex"]),
      environmentPrefix: "T_", environment: ["T_TIMEOUT": "3s"],
      read: { (_: String) throws(UsageError) -> String in "" })
    #expect(
      settings.command(again: ["in.failed"], omitting: ["failures"])
        == "kvctl import in.failed \"--keyspace=my space\" --endpoints=h:1,h:2 --hex=true")
  }

  @Test func aSentenceBeginsWithTheToolOnce() {
    #expect(Console.complaint("kvctl", "kvctl put has no flag -x") == "kvctl put has no flag -x")
    #expect(Console.complaint("kvctl", "KEY is missing") == "kvctl: KEY is missing")
    #expect(Measure.records(1) == "1 record" && Measure.records(2000) == "2,000 records")
    #expect(Encodings.hexadecimal(UInt64(0xab)) == "00000000000000ab")
  }
}
