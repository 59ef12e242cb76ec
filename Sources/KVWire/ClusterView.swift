package import KVBase
package import KVCommand

/// What a client needs in order to route: a version of the cluster map, and where the answering
/// node believes leaders to be.
package struct ClusterView: Hashable, Sendable {
  package var map: ClusterMap
  /// By group, the meta group first; 0 stands for unknown.
  package var leaders: [NodeID]

  package init(map: ClusterMap, leaders: [NodeID]) {
    self.map = map
    self.leaders = leaders
  }

  /// u8 version 2, the map, leaders (u32 count; u32 node).
  package func encode(into writer: inout ByteWriter) {
    writer.append(Self.formatVersion)
    map.encode(into: &writer)
    writer.append(UInt32(leaders.count))
    for leader in leaders { writer.append(leader.rawValue) }
  }

  private static let formatVersion: UInt8 = 2

  package init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.read(UInt8.self)
    guard version == Self.formatVersion else {
      throw .unknownValue(what: "view version", value: UInt64(version))
    }
    map = try ClusterMap(from: &reader)
    leaders = []
    let groups = try reader.readCount(
      limit: Limits.partitions + 1, minimumSize: 4, what: "leaders")
    for _ in 0..<groups { leaders.append(NodeID(try reader.read(UInt32.self))) }
    guard leaders.count == map.replicaSets.count else {
      throw .invalid("view: groups and leaders do not fit")
    }
  }
}
