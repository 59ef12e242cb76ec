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
    node.replication = try replication(settings, nodes: members.count)
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
    if let bytes = try settings.bytes("cache") {
      guard bytes >= 1 << 20 else { throw settings.wrong("cache", "at least 1MiB") }
      configuration.cacheBytes = bytes
    }
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
    if settings.text("mode") == "ap" {
      throw UsageError("--mode ap is not there yet: start the cluster with --mode cp")
    }
    return try settings.choice("mode", [("cp", KeyspaceMode.cp)]) ?? .cp
  }

  /// The entries of `--peers`, as they were given.
  private static func peers(
    _ settings: Settings
  ) throws(UsageError) -> [(id: UInt32, text: String)] {
    let given = try pairs(settings, "peers", form: "ID=HOST:PORT, such as 1=127.0.0.1:7401")
    if given.isEmpty, settings.setting("peers").origin != .unset {
      throw UsageError(
        "--peers is empty: name all nodes of the cluster, or leave it out for a cluster of one")
    }
    for (at, (node, address)) in given.enumerated() {
      try check(address, of: node, "peers")
      if let other = given[..<at].first(where: { $0.text == address }) {
        throw UsageError("--peers gives nodes \(other.id) and \(node) one address, \(address)")
      }
    }
    return given
  }

  private static func members(
    _ settings: Settings, id: UInt32, listen: String
  ) throws(UsageError) -> [NodeConfiguration.Member] {
    let zones = try pairs(settings, "zones", form: "ID=ZONE, such as 1=east")
    for (node, zone) in zones { try check(zone: zone, "--zones: the zone of node \(node)") }
    try check(zone: settings.text("zone") ?? "", "--zone: it")
    var members: [NodeConfiguration.Member] = []
    let peers = try peers(settings)
    if !peers.isEmpty { try checkZones(zones.map(\.id), peers.map(\.id)) }
    for (node, address) in peers {
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

  private static func checkZones(_ zones: [UInt32], _ peers: [UInt32]) throws(UsageError) {
    if let stranger = zones.first(where: { !peers.contains($0) }) {
      throw UsageError("--zones names node \(stranger), which --peers does not")
    }
    if !zones.isEmpty, let missing = peers.first(where: { !zones.contains($0) }) {
      throw UsageError("--zones leaves out node \(missing): name the zone of every node")
    }
  }

  /// Copies of each partition. More than there are nodes are refused where somebody asked for them
  /// and said which nodes there are; a later start need not name the nodes.
  private static func replication(
    _ settings: Settings, nodes: Int
  ) throws(UsageError) -> Int {
    guard let asked = try settings.integer("replication", in: 1...7) else { return 3 }
    guard
      asked <= nodes || !settings.has("peers")
        || settings.setting("replication").origin == .standard
    else {
      throw UsageError(
        "--replication \(asked) needs at least \(asked) nodes, and --peers names \(nodes)")
    }
    return asked
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
      // One that names itself alone is of a later start: the others are those of the map.
      let peers = try peers(settings).map(\.id)
      guard peers.count < 2 || peers.contains(node) else {
        throw UsageError("--peer-address names node \(node), which --peers does not")
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

  private static func check(zone: String, _ what: String) throws(UsageError) {
    guard zone.utf8.count > Limits.addressBytes else { return }
    throw UsageError(
      "\(what) is \(zone.utf8.count) bytes long, and \(Limits.addressBytes) are the limit")
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
