import KVBase
import KVCommandLine
import KVNodeCore
import KVServer
import Testing

@testable import kvnode

/// What the flags make of a node.
@Suite struct NodeSettingsTests {
  private func server(_ arguments: [String]) throws -> ServerConfiguration {
    let settings = try Settings(
      NodeFlags.run, try NodeFlags.run.parse(arguments),
      environmentPrefix: NodeFlags.environmentPrefix, environment: [:],
      read: { (_: String) throws(UsageError) -> String in "" })
    return try NodeSettings.configuration(settings, version: "test")
  }

  private func node(_ arguments: [String]) throws -> NodeConfiguration {
    try server(arguments).node
  }

  private func refusal(_ arguments: [String]) throws -> String {
    try #require(throws: UsageError.self) { _ = try server(arguments) }.description
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

  /// The map would be committed, and nobody could read it.
  @Test func aZoneThatTheMapCannotHoldIsRefused() throws {
    let long = String(repeating: "z", count: 257)
    #expect(try refusal(["--id", "1", "--zone", long]).contains("257 bytes"))
    let peers = ["--id", "1", "--peers", "1=10.0.0.1:8401,2=10.0.0.2:8402"]
    #expect(
      try refusal(peers + ["--zones", "1=a,2=\(long)"]).contains("the zone of node 2 is 257"))
    #expect(
      try node(["--id", "1", "--zone", String(long.dropLast())]).members[0].zone.count == 256)
  }

  /// Where others reach a node is where it listens, unless it is told otherwise.
  @Test func aNodeListensWhereItsOwnEntryOfPeersSays() throws {
    let peers = "1=10.0.0.1:8401,2=10.0.0.2:8402"
    #expect(try server(["--id", "2", "--peers", peers]).listen == "10.0.0.2:8402")
    #expect(
      try server(["--id", "2", "--peers", peers, "--listen", "0.0.0.0:9"]).listen == "0.0.0.0:9")
    #expect(try server(["--id", "2"]).listen == "127.0.0.1:7402")
    // A proxy before the others changes nothing of it.
    let proxied = ["--id", "2", "--peers", peers, "--peer-address", "1=127.0.0.1:9"]
    #expect(try server(proxied).listen == "10.0.0.2:8402")
    #expect(try node(proxied).address == "10.0.0.2:8402")
    #expect(try node(proxied).peerAddresses.map(\.address) == ["127.0.0.1:9"])
    #expect(
      try refusal(["--id", "2", "--peers", peers, "--peer-address", "2=127.0.0.1:9"])
        .contains("names node 2 itself"))
  }

  @Test(arguments: [
    ("127.0.0.1", "has no port"), ("7401", "such as 127.0.0.1:7401"), ("h:", "has no port"),
    (":7401", "0.0.0.0:7401"), ("::1:7401", "in brackets"), ("h:0", "has port 0"),
    ("h:70000", "1 to 65535"), ("h:+7", "1 to 65535"), ("h:x", "1 to 65535"), ("", "has no port"),
  ])
  func aMalformedAddressIsRefusedWithWhatToWrite(_ address: String, _ said: String) throws {
    let listen = try refusal(["--id", "1", "--listen=\(address)"])
    #expect(listen.hasPrefix("--listen: '\(address)' ") && listen.contains(said), "\(listen)")
    if address.isEmpty { return }
    let peers = try refusal(["--id", "1", "--peers", "1=\(address)"])
    #expect(peers.hasPrefix("--peers: the address '\(address)' of node 1 "), "\(peers)")
  }

  @Test func settingsThatContradictPeersAreRefused() throws {
    let three = ["--id", "1", "--peers", "1=h:1,2=h:2,3=h:3"]
    for (arguments, said) in [
      (three + ["--replication", "5"], "--replication 5 needs at least 5 nodes"),
      (three + ["--zones", "1=a"], "--zones leaves out node 2"),
      (three + ["--zones", "1=a,2=a,3=b,9=d"], "--zones names node 9"),
      (three + ["--peer-address", "9=h:9"], "--peer-address names node 9"),
      (["--id", "1", "--peers", ""], "--peers is empty"),
      (["--id", "1", "--peers", "1=h:1,2=h:1"], "gives nodes 1 and 2 one address, h:1"),
      (["--id", "1", "--mode", "foo"], "it must be cp"),
    ] {
      let text = try refusal(arguments)
      #expect(text.contains(said), "\(text)")
    }
    // Later starts need not name the others.
    let later = ["--id", "1", "--replication", "3", "--peer-address", "2=h:9"]
    #expect(try node(later).replication == 3)
    #expect(
      try node(["--id", "1", "--peers", "1=h:1", "--peer-address", "2=h:9"]).node.rawValue == 1)
    #expect(try node(["--id", "1", "--peers", "1=h:1,2=h:2"]).replication == 3)
    #expect(try node(three + ["--zones", "1=a,2=b,3=b"]).members.map(\.zone) == ["a", "b", "b"])
  }

  /// timeout(1) signals its child, and then the group that the child is in.
  @Test func aSignalThatIsRepeatedAtOnceIsOne() {
    var requests = StopRequests()
    let begin = ContinuousClock().now
    #expect(requests.add(at: begin) == .shutDown)
    #expect(requests.add(at: begin + .milliseconds(2)) == .ignore)
    #expect(requests.add(at: begin + .milliseconds(999)) == .ignore)
    #expect(requests.add(at: begin + .seconds(1)) == .stopAtOnce)
  }

  @Test func anIdWhosePortWouldBeOutOfRangeNeedsListen() throws {
    #expect(try refusal(["--id", "60000"]).contains("--listen"))
    #expect(try server(["--id", "60000", "--listen", "[::1]:7401"]).listen == "[::1]:7401")
  }
}
