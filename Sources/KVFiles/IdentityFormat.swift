package import KVBase

/// Whose data directory it is: a small file, checked before anything else is opened.
package struct Identity: Hashable, Sendable {
  package var node: NodeID
  /// 0 until the cluster has a name.
  package var clusterID: UInt64
  /// Of what creates a cluster: ids, partitions, replication, mode.
  package var creationDigest: UInt64
  /// Random, made with the directory.
  package var incarnation: UInt64

  package init(node: NodeID, clusterID: UInt64, creationDigest: UInt64, incarnation: UInt64) {
    self.node = node
    self.clusterID = clusterID
    self.creationDigest = creationDigest
    self.incarnation = incarnation
  }
}

/// The bytes of the file `identity`: u64 magic "KVNODEID", u32 format, u32 node, u64 cluster, u64
/// creation digest, u64 incarnation, u64 XXH3-64 of all before it.
package enum IdentityFormat {
  package static let magic: UInt64 = 0x4B56_4E4F_4445_4944
  package static let version: UInt32 = 1
  static let size = 48

  package static func encode(_ identity: Identity) -> [UInt8] {
    var writer = ByteWriter(capacity: size)
    writer.append(magic)
    writer.append(version)
    writer.append(identity.node.rawValue)
    writer.append(identity.clusterID)
    writer.append(identity.creationDigest)
    writer.append(identity.incarnation)
    writer.append(writer.checksum(from: 0))
    return writer.bytes
  }

  package static func decode(_ bytes: [UInt8], file: String) throws(StorageError) -> Identity {
    var reader = ByteReader(Bytes(bytes))
    do throws(WireError) {
      guard try reader.read(UInt64.self) == magic else {
        throw StorageErrorMark.notOurs
      }
      let format = try reader.read(UInt32.self)
      guard format == version else { throw StorageErrorMark.format(format) }
      let node = NodeID(try reader.read(UInt32.self))
      let clusterID = try reader.read(UInt64.self)
      let creationDigest = try reader.read(UInt64.self)
      let incarnation = try reader.read(UInt64.self)
      let checksum = try reader.read(UInt64.self)
      try reader.finish()
      guard checksum == XXH3.hash(Bytes(bytes)[0..<size - 8]) else {
        throw .checksum(expected: checksum, found: 0)
      }
      return Identity(
        node: node, clusterID: clusterID, creationDigest: creationDigest, incarnation: incarnation)
    } catch {
      switch error {
      case .unknownValue(_, let format):
        throw .foreign(
          format > UInt64(version)
            ? "\(file) has format \(format), and this version of kvnode reads format \(version): "
              + "use a version that is as new as the one that wrote it"
            : "\(file) has the older format \(format), and this version of kvnode reads format "
              + "\(version) only: use the version that wrote it. " + StorageError.otherFormatAdvice)
      case .invalid:
        throw .foreign("\(file) is not the identity of a kvnode: choose another --data-dir")
      default:
        throw .damaged("\(file) is damaged (\(error)): restore it from a copy")
      }
    }
  }

  private enum StorageErrorMark {
    static var notOurs: WireError { .invalid("identity") }
    static func format(_ found: UInt32) -> WireError {
      .unknownValue(what: "identity format", value: UInt64(found))
    }
  }
}
