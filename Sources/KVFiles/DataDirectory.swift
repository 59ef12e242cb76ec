package import KVBase

/// A node's data directory: `identity`, `LOCK`, `log/`, `state/`. What does not belong to this
/// node is refused before anything is written.
package struct DataDirectory {
  package let path: String
  package var identity: Identity
  /// Made by this start.
  package let isNew: Bool
  private let lock: Int32

  /// Locks the directory for this process, and makes it where there is none. `difference` says with
  /// which settings a directory of another creation digest was made, where that is known.
  package static func open(
    _ path: String, node: NodeID, creationDigest: UInt64, incarnation: @autoclosure () -> UInt64,
    difference: (_ recordedDigest: UInt64) -> String? = { _ in nil }
  ) throws(StorageError) -> DataDirectory {
    let file = path + "/identity"
    let found = try Files.read(file, limit: 4096)
    if found == nil, Files.exists(path + "/log") || Files.exists(path + "/state") {
      throw .damaged(
        "\(path) holds a log or a state but no identity: restore \(file); if this is what an "
          + "interrupted first start left, remove the directory")
    }
    if let found {
      let identity = try IdentityFormat.decode(found, file: file)
      guard identity.node == node else {
        throw .foreign(
          "\(path) belongs to node \(identity.node.rawValue), and this is node \(node.rawValue): "
            + "choose another --data-dir or --id")
      }
      // Once the cluster is formed, its map says what it is, whatever the flags say.
      guard identity.clusterID != 0 || identity.creationDigest == creationDigest else {
        throw .foreign(
          "\(path) was made by a start with "
            + (difference(identity.creationDigest)
              ?? "other --peers ids, --partitions, --replication, --zones or --mode")
            + ", and no cluster has been formed there yet: start it with those "
            + "again, or, if they were wrong, remove the directory and start again")
      }
      return DataDirectory(
        path: path, identity: identity, isNew: false, lock: try acquireLock(path))
    }
    // What an interrupted first start leaves, and what a file system keeps in its root.
    let stranger = try Files.names(in: path).first { !["LOCK", "lost+found"].contains($0) }
    if let stranger {
      throw .foreign(
        "\(path) is not empty and no data directory of kvnode (it holds \(stranger)): choose a new "
          + "or an empty one with --data-dir")
    }
    try Files.makeDirectory(path)
    let lock = try acquireLock(path)
    let identity = Identity(
      node: node, clusterID: 0, creationDigest: creationDigest, incarnation: incarnation())
    return DataDirectory(path: path, identity: identity, isNew: true, lock: lock)
  }

  private static func acquireLock(_ path: String) throws(StorageError) -> Int32 {
    guard let lock = try Files.lock(path + "/LOCK") else {
      throw .foreign(
        "\(path) is in use by another kvnode: stop that one first, or choose another --data-dir")
    }
    return lock
  }

  /// Writes the identity of a new directory: the last step of making one, so that a directory with
  /// an identity is whole.
  package func commit() throws(StorageError) {
    try Files.replace("identity", in: path, with: IdentityFormat.encode(identity))
  }

  /// Remembers the cluster's id, once it is known.
  package mutating func setClusterID(_ id: UInt64) throws(StorageError) {
    identity.clusterID = id
    try Files.replace("identity", in: path, with: IdentityFormat.encode(identity))
  }

  package func release() { Files.unlock(lock) }
}
