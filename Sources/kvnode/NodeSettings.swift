import KVBase
import KVCommand
import KVCommandLine
import KVNodeCore
import KVServer

/// Makes a server's configuration of the settings, or says in a sentence what is wrong with them.
enum NodeSettings {
  static func configuration(
    _ settings: Settings, version: String
  ) throws(UsageError) -> ServerConfiguration {
    guard let id = try settings.integer("id", in: UInt32(1)...65_535) else {
      throw UsageError("--id is missing: give this node a number, such as kvnode --id 1")
    }
    let listen = try listen(settings, id: id)
    let members = try members(settings, id: id, listen: listen)
    var node = NodeConfiguration(node: NodeID(id), members: members, incarnation: 0)
    node.software = version
    node.peerAddresses = try peerAddresses(settings, id: id)
    // Where it listens need not be where others reach it.
    if settings.texts("peers").isEmpty { node.address = "" }
    node.partitions = try partitions(settings)
    node.replication = try settings.integer("replication", in: 1...7) ?? 3
    node.defaultMode = try mode(settings)
    node.linearizableReads =
      try settings.choice(
        "linearizable-reads",
        [("read-index", NodeConfiguration.LinearizableReads.readIndex), ("lease", .lease)])
      ?? .readIndex
    node.logKeepBytes = try settings.bytes("log-keep") ?? node.logKeepBytes
    var configuration = ServerConfiguration(
      node: node, dataDirectory: settings.text("data-dir") ?? "./kvnode-\(id)",
      listen: listen)
    configuration.eventsFile = settings.text("events")
    if settings.text("partitions") != nil { configuration.givenPartitions = node.partitions }
    if settings.text("replication") != nil { configuration.givenReplication = node.replication }
    return configuration
  }

  /// Where the node listens: what `--listen` says, else its own entry of `--peers`, else
  /// `127.0.0.1:7400+ID`.
  private static func listen(_ settings: Settings, id: UInt32) throws(UsageError) -> String {
    if let given = settings.text("listen") {
      if let problem = NodeAddress.problem(given) {
        throw UsageError("--listen: '\(given)' \(problem)")
      }
      return given
    }
    if let own = try peers(settings).first(where: { $0.id == id }) { return own.text }
    guard id <= 65_535 - portBase else {
      throw UsageError(
        "node \(id) has no port of its own, since \(portBase) + \(id) is above 65535: give --listen"
      )
    }
    return "127.0.0.1:\(portBase + id)"
  }

  private static let portBase: UInt32 = 7400

  /// What a setting that was not given follows from: its value, and a word for the origin.
  static func derived(
    _ name: String, _ settings: Settings
  ) throws(UsageError) -> (value: String, origin: String)? {
    guard let id = try settings.integer("id", in: UInt32(1)...65_535) else { return nil }
    switch name {
    case "data-dir": return ("./kvnode-\(id)", "default, from the id")
    case "listen":
      let isOfPeers = !settings.texts("peers").isEmpty
      return (
        try listen(settings, id: id), isOfPeers ? "its entry of --peers" : "default, from the id"
      )
    case "peers": return ("\(id)=\(try listen(settings, id: id))", "default, from the id")
    default: return nil
    }
  }

  private static func partitions(_ settings: Settings) throws(UsageError) -> Int {
    let count = try settings.integer("partitions", in: 1...Limits.partitions) ?? 32
    guard count.nonzeroBitCount == 1 else {
      throw settings.wrong("partitions", "a power of two")
    }
    return count
  }

  private static func mode(_ settings: Settings) throws(UsageError) -> KeyspaceMode {
    let mode =
      try settings.choice("mode", [("cp", KeyspaceMode.cp), ("ap", .ap)]) ?? KeyspaceMode.cp
    guard mode == .cp else {
      throw UsageError("--mode ap is not there yet: start the cluster with --mode cp")
    }
    return mode
  }

  /// The entries of `--peers`, as they were given.
  private static func peers(
    _ settings: Settings
  ) throws(UsageError) -> [(id: UInt32, text: String)] {
    let given = try pairs(settings, "peers", form: "ID=HOST:PORT, such as 1=127.0.0.1:7401")
    for (node, address) in given { try check(address, of: node, "peers") }
    return given
  }

  private static func members(
    _ settings: Settings, id: UInt32, listen: String
  ) throws(UsageError) -> [NodeConfiguration.Member] {
    let zones = try pairs(settings, "zones", form: "ID=ZONE, such as 1=east")
    var members: [NodeConfiguration.Member] = []
    for (node, address) in try peers(settings) {
      let zone = zones.first { $0.id == node }?.text ?? ""
      members.append(.init(node: NodeID(node), address: address, zone: zone))
    }
    if members.isEmpty {
      members = [.init(node: NodeID(id), address: listen, zone: settings.text("zone") ?? "")]
    }
    guard let own = members.firstIndex(where: { $0.node.rawValue == id }) else {
      throw UsageError("--peers does not name node \(id) itself: add \(id)=HOST:PORT")
    }
    guard members.count <= Limits.nodes else {
      throw UsageError("--peers names \(members.count) nodes, and \(Limits.nodes) are the limit")
    }
    if let zone = settings.text("zone"), !zone.isEmpty, members.count > 1,
      members[own].zone != zone
    {
      throw UsageError(
        "--zone \(zone) is not what --zones says of node \(id): give all nodes the same --zones")
    }
    return members
  }

  private static func peerAddresses(
    _ settings: Settings, id: UInt32
  ) throws(UsageError) -> [(node: NodeID, address: String)] {
    let form = "ID=HOST:PORT, such as 2=127.0.0.1:9402"
    var addresses: [(node: NodeID, address: String)] = []
    for (node, address) in try pairs(settings, "peer-address", form: form) {
      try check(address, of: node, "peer-address")
      guard node != id else {
        throw UsageError(
          "--peer-address names node \(id) itself: it says where other nodes are reached, and "
            + "--listen where this one serves")
      }
      addresses.append((NodeID(node), address))
    }
    return addresses
  }

  private static func check(
    _ address: String, of node: UInt32, _ flag: String
  ) throws(UsageError) {
    guard let problem = NodeAddress.problem(address) else { return }
    throw UsageError("--\(flag): the address '\(address)' of node \(node) \(problem)")
  }

  /// `1=a,2=b`, each id once.
  private static func pairs(
    _ settings: Settings, _ name: String, form: String
  ) throws(UsageError) -> [(id: UInt32, text: String)] {
    var found: [(id: UInt32, text: String)] = []
    for item in settings.texts(name) {
      let parts = item.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let id = UInt32(parts[0]), (1...65_535).contains(id) else {
        throw UsageError("--\(name): '\(item)' is not \(form)")
      }
      guard !found.contains(where: { $0.id == id }) else {
        throw UsageError("--\(name) names node \(id) twice")
      }
      found.append((id, String(parts[1])))
    }
    return found
  }
}
