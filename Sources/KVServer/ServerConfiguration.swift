package import KVNodeCore

#if PlantedFaults
  package import KVBase
#endif

/// What `kvnode` was told, beyond what its core needs to know.
package struct ServerConfiguration: Sendable {
  /// `incarnation` and `clusterID` are filled in from the data directory.
  package var node: NodeConfiguration
  package var dataDirectory: String
  /// `host:port`; this node's entry in `node.members` is what others are told.
  package var listen: String
  package var eventsFile: String?
  /// The state store's block cache; `nil`: its default.
  package var cacheBytes: Int?
  /// What a person gave of what forms a cluster; `nil`: nothing. Of no effect once it is formed.
  package var givenPartitions: Int?
  package var givenReplication: Int?
  /// Segment size of the log; small ones are for tests.
  package var segmentBytes: Int = 16 << 20
  #if PlantedFaults
    package var plantedFault: PlantedFault?
  #endif

  package init(node: NodeConfiguration, dataDirectory: String, listen: String) {
    self.node = node
    self.dataDirectory = dataDirectory
    self.listen = listen
  }
}
