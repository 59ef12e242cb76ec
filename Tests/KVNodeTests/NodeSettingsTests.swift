import KVBase
import KVCommandLine
import KVNodeCore
import KVServer
import Testing

@testable import kvnode

/// What the flags make of a node.
@Suite struct NodeSettingsTests {
  private func node(_ arguments: [String]) throws -> NodeConfiguration {
    let settings = try Settings(
      NodeFlags.run, try NodeFlags.run.parse(arguments),
      environmentPrefix: NodeFlags.environmentPrefix, environment: [:],
      read: { (_: String) throws(UsageError) -> String in "" })
    return try NodeSettings.configuration(settings, version: "test").node
  }

  /// Where a node listens may be behind a proxy, or every address of the machine.
  @Test func onlyPeersSayWhereANodeIsReached() throws {
    let peers = "1=10.0.0.1:7401,2=10.0.0.2:7402"
    #expect(
      try node(["--id", "2", "--peers", peers, "--listen", "0.0.0.0:7402"]).address
        == "10.0.0.2:7402")
    #expect(try node(["--id", "2", "--listen", "0.0.0.0:7402"]).address.isEmpty)
    #expect(try node(["--id", "2"]).address.isEmpty)
    // A cluster of one is formed of where it listens.
    #expect(
      try node(["--id", "2", "--listen", "h:7402"]).members.map(\.address) == ["h:7402"])
  }
}
