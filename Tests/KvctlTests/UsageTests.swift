import KVClient
import KVClientCore
import KVCommandLine
import KVWire
import Testing

@testable import kvctl

/// What is found wrong before any node is asked, and what the help says.
@Suite struct UsageTests {
  private func context(_ name: String, _ arguments: [String]) throws -> Context {
    let command = try #require(Kvctl.commands.first { $0.name == name })
    let settings = try Settings(
      command.spec, try command.spec.parse(arguments),
      environmentPrefix: Kvctl.environmentPrefix, environment: [:],
      read: { (_: String) throws(UsageError) -> String in "" })
    return try Context(settings)
  }

  private func help(_ name: String) throws -> String {
    let command = try #require(Kvctl.commands.first { $0.name == name })
    let text = command.spec.help(environmentPrefix: Kvctl.environmentPrefix)
    return text.split(whereSeparator: { $0 == " " || $0.isNewline }).joined(separator: " ")
  }

  @Test func aLevelThatACommandDoesNotHaveIsRefusedWithThoseThatItHas() throws {
    for level in ["strong", "session", "one"] {
      let put = try context("put", ["a", "b", "--consistency", level])
      let error = #expect(throws: UsageError.self) { try put.options() }
      #expect(error?.description.hasSuffix("must be one of linearizable, quorum") == true)
    }
    let get = try context("get", ["a", "--consistency", "one"])
    let error = #expect(throws: UsageError.self) { try get.options() }
    #expect(
      error?.description.hasSuffix("one of linearizable, quorum, session, stale") == true)
    let session = try context("get", ["a", "--consistency", "session", "--after", "7"])
    #expect(try session.options().consistency == .session)
  }

  @Test func anEndpointThatIsNoneIsWrongUsage() throws {
    let error = #expect(throws: KVError.self) {
      try context("get", ["a", "--endpoints", "1:2:3"])
    }
    #expect(error.map { ExitCode($0) } == .usage)
  }

  /// A retry within a call takes effect once; kvctl run again is another call.
  @Test func theHelpOfWhatMayBeDoneTwiceSaysToReadFirst() throws {
    for name in ["append", "incr"] {
      let text = try help(name)
      #expect(text.contains("exits with 6 it is not known whether it was done"), "\(text)")
      #expect(text.contains("read the key first."))
    }
    #expect(try help("append").contains("writes the whole value again"))
    #expect(try help("append").contains("up to 1 MiB"))
    #expect(try help("put").contains("up to 1 MiB"))
  }

  @Test func theHelpSaysWhichCommandsHaveTablesAndWhatABareNumberIs() throws {
    #expect(try help("incr").contains("elsewhere the same as simple"))
    #expect(try help("get").contains("or 2 for 2 seconds"))
  }

  @Test func aKeyspaceCommandOfAnotherNameIsGuessed() async throws {
    let names = ["keyspace list": "keyspace ls", "keyspace creat": "keyspace create"]
    for (typed, meant) in names {
      let error = Kvctl.unknown(typed.split(separator: " ").map(String.init))
      #expect(error.description.contains("did you mean 'kvctl \(meant)'?"), "\(error)")
    }
    #expect(Kvctl.unknown(["keyspace"]).description.contains("add the second"))
  }
}
