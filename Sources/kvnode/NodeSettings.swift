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
    let members = try members(settings, id: id)
    var node = NodeConfiguration(node: NodeID(id), members: members, incarnation: 0)
    node.software = version
    node.peerAddresses = try peerAddresses(settings)
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
      listen: settings.text("listen") ?? defaultListen(id))
    configuration.eventsFile = settings.text("events")
    return configuration
  }

  /// `127.0.0.1:7400+ID`; ids whose port would be out of range need `--listen`.
  static func defaultListen(_ id: UInt32) -> String { "127.0.0.1:\(7400 + id)" }

  /// The default of a setting that follows from the id.
  static func derived(_ name: String, _ settings: Settings) throws(UsageError) -> String? {
    guard let id = try settings.integer("id", in: UInt32(1)...65_535) else { return nil }
    switch name {
    case "data-dir": return "./kvnode-\(id)"
    case "listen": return defaultListen(id)
    case "peers": return "\(id)=\(settings.text("listen") ?? defaultListen(id))"
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

  private static func members(
    _ settings: Settings, id: UInt32
  ) throws(UsageError) -> [NodeConfiguration.Member] {
    let zones = try pairs(settings, "zones", form: "id=zone, such as 1=east")
    var members: [NodeConfiguration.Member] = []
    let given = try pairs(settings, "peers", form: "id=host:port, such as 1=127.0.0.1:7401")
    for (node, address) in given {
      try check(address, of: node, "peers")
      let zone = zones.first { $0.id == node }?.text ?? ""
      members.append(.init(node: NodeID(node), address: address, zone: zone))
    }
    if members.isEmpty {
      let address = settings.text("listen") ?? defaultListen(id)
      members = [.init(node: NodeID(id), address: address, zone: settings.text("zone") ?? "")]
    }
    guard let own = members.firstIndex(where: { $0.node.rawValue == id }) else {
      throw UsageError("--peers does not name node \(id) itself: add \(id)=host:port")
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
    _ settings: Settings
  ) throws(UsageError) -> [(node: NodeID, address: String)] {
    let form = "id=host:port, such as 2=127.0.0.1:9402"
    var addresses: [(node: NodeID, address: String)] = []
    for (node, address) in try pairs(settings, "peer-address", form: form) {
      try check(address, of: node, "peer-address")
      addresses.append((NodeID(node), address))
    }
    return addresses
  }

  private static func check(
    _ address: String, of node: UInt32, _ flag: String
  ) throws(UsageError) {
    guard address.contains(":"), address.split(separator: ":").last.flatMap({ UInt16($0) }) != nil
    else { throw UsageError("--\(flag): '\(address)' of node \(node) is not host:port") }
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
