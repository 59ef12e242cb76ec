import Foundation
import KVBase
import KVCommand
import KVFiles
import KVLog
import KVNodeCore
import KVState
import Testing

@testable import KVServer

/// A directory of its own for a test, gone at its end.
final class TemporaryDirectory {
  let path: String

  init() throws {
    let base = FileManager.default.temporaryDirectory
    path = base.appendingPathComponent("kvstore-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Every file and its bytes.
  func image(of name: String) throws -> [String: Data] {
    var image: [String: Data] = [:]
    let root = path + "/" + name
    let names = try FileManager.default.subpathsOfDirectory(atPath: root)
    for file in names {
      if let data = FileManager.default.contents(atPath: root + "/" + file) { image[file] = data }
    }
    return image
  }
}

@Suite struct DataDirectoryTests {
  static func configuration(
    _ path: String, node: UInt32 = 1, nodes: UInt32 = 1, partitions: Int = 4
  ) -> ServerConfiguration {
    var node = NodeConfiguration(
      node: NodeID(node),
      members: (1...max(node, nodes)).map {
        .init(node: NodeID($0), address: "127.0.0.1:\(7400 + $0)")
      }, incarnation: 0)
    node.partitions = partitions
    var configuration = ServerConfiguration(node: node, dataDirectory: path, listen: "127.0.0.1:0")
    configuration.segmentBytes = 4 << 20
    return configuration
  }

  /// Opens, appends some hard states, and closes again.
  static func fill(_ configuration: ServerConfiguration) throws {
    var configuration = configuration
    let stores = try OpenedStores(&configuration, log: { _ in })
    let group = GroupConfiguration(voters: [ReplicaID(node: configuration.node.node)])
    try stores.log.append([
      .reset(
        GroupID(1), generation: Generation(1), index: .zero, term: .zero, configuration: group)
    ])
    for term in 1...20 {
      try stores.log.append([.hardState(GroupID(1), HardState(term: Term(UInt64(term))))])
      try stores.log.sync()
    }
    stores.directory.release()
  }

  @Test func aDirectoryIsKnownAgain() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    try Self.fill(Self.configuration(path))
    var again = Self.configuration(path)
    let stores = try OpenedStores(&again, log: { _ in })
    #expect(!stores.directory.isNew)
    #expect(again.node.incarnation != 0)
    let group = stores.recovery.groups.first { $0.group == GroupID(1) }
    #expect(group?.log.hardState.term == Term(20))
    stores.directory.release()
  }

  @Test func anotherNodesOrClustersDirectoryIsRefusedUntouched() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    try Self.fill(Self.configuration(path))
    let before = try temporary.image(of: "n1")
    let unformed = "start it with those again, or, if they were wrong, remove the directory"
    for (other, advice) in [
      (Self.configuration(path, node: 2), "choose another --data-dir or --id"),
      (Self.configuration(path, nodes: 3), unformed),
      (Self.configuration(path, partitions: 8), unformed),
    ] {
      var other = other
      #expect {
        try OpenedStores(&other, log: { _ in })
      } throws: { error in
        guard case .foreign(let text)? = error as? StorageError else { return false }
        return text.contains(advice)
      }
    }
    #expect(try temporary.image(of: "n1") == before)
  }

  /// Which setting differs can be found out by trying.
  @Test func theSettingOfAnUnformedDirectoryThatDiffersIsSaid() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    try Self.fill(Self.configuration(path))
    var copies = Self.configuration(path)
    copies.node.replication = 2
    var zoned = Self.configuration(path)
    zoned.node.members[0].zone = "east"
    for (other, said) in [
      (Self.configuration(path, nodes: 3), "the --peers ids 1, and this one has 1, 2, 3,"),
      (Self.configuration(path, partitions: 8), "--partitions 4, and this one has 8,"),
      (copies, "--replication 3, and this one has 2,"),
      (zoned, "no --zones, and this one has some,"),
      (Self.configuration(path, nodes: 3, partitions: 8), "other --peers ids, --partitions,"),
    ] {
      var other = other
      let error = #expect(throws: StorageError.self) { try OpenedStores(&other, log: { _ in }) }
      #expect(error?.description.contains("was made by a start with " + said) == true)
    }
  }

  /// Nobody is later told to remove a directory that holds what is not ours.
  @Test func aDirectoryOfOthersIsRefused() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    try FileManager.default.createDirectory(
      atPath: path + "/lost+found", withIntermediateDirectories: true)
    try Data("mine".utf8).write(to: URL(fileURLWithPath: path + "/thesis.txt"))
    var configuration = Self.configuration(path)
    let error = #expect(throws: StorageError.self) {
      try OpenedStores(&configuration, log: { _ in })
    }
    #expect(error?.description.contains("is not empty and no data directory of kvnode") == true)
    #expect(error?.description.contains("thesis.txt") == true)
    #expect(try temporary.image(of: "n1").keys.sorted() == ["thesis.txt"])
    try FileManager.default.removeItem(atPath: path + "/thesis.txt")
    let stores = try OpenedStores(&configuration, log: { _ in })
    #expect(stores.directory.isNew)
    stores.directory.release()
  }

  /// Once the cluster is formed, its map says what it is: the flags of a later start do not count,
  /// and the directory keeps the digest that it was made with.
  @Test func aFormedDirectoryIsOpenedWhateverTheFlagsSay() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    var first = Self.configuration(path, nodes: 3)
    let made = first.node.creationDigest
    do {
      let stores = try OpenedStores(&first, log: { _ in })
      var directory = stores.directory
      try directory.setClusterID(77)
      directory.release()
    }
    for var other in [
      Self.configuration(path), Self.configuration(path, nodes: 5),
      Self.configuration(path, nodes: 3, partitions: 8),
    ] {
      #expect(other.node.creationDigest != made)
      let stores = try OpenedStores(&other, log: { _ in })
      #expect(other.node.clusterID == 77)
      #expect(other.node.incarnation == first.node.incarnation)
      #expect(other.node.creationDigest == made)
      #expect(stores.directory.identity.creationDigest == made)
      stores.directory.release()
    }
    // Another node's it stays.
    var stranger = Self.configuration(path, node: 2, nodes: 3)
    #expect {
      try OpenedStores(&stranger, log: { _ in })
    } throws: {
      "\($0)".contains("belongs to node 1")
    }
  }

  /// A replica is what the log says, however the node is started: those that the flags would make
  /// are not made beside it.
  @Test func theReplicasAreThoseOfTheLog() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    var first = Self.configuration(path, nodes: 3)
    do {
      let stores = try OpenedStores(&first, log: { _ in })
      #expect(stores.recovery.isBlank)
      let voters = (1...3).map { ReplicaID(node: NodeID(UInt32($0))) }
      for group in [0, 3] as [UInt32] {
        try stores.log.append([
          .reset(
            GroupID(group), generation: Generation(1), index: .zero, term: .zero,
            configuration: GroupConfiguration(voters: voters))
        ])
      }
      try stores.log.sync()
      var directory = stores.directory
      try directory.setClusterID(77)
      directory.release()
    }
    var other = Self.configuration(path, partitions: 8)
    let stores = try OpenedStores(&other, log: { _ in })
    #expect(stores.recovery.groups.map(\.group) == [GroupID(0), GroupID(3)])
    for group in stores.recovery.groups {
      #expect(group.status.configuration.voters.map(\.node.rawValue) == [1, 2, 3])
      #expect(group.status.meta == (group.group == .meta ? .unformed : nil))
    }
    stores.directory.release()
  }

  @Test func aDirectoryInUseIsRefused() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    var first = Self.configuration(path)
    let stores = try OpenedStores(&first, log: { _ in })
    var second = Self.configuration(path)
    #expect {
      try OpenedStores(&second, log: { _ in })
    } throws: {
      "\($0)".contains("in use by another kvnode")
    }
    stores.directory.release()
  }

  @Test func damageInTheMiddleOfTheLogIsRefusedUntouched() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    try Self.fill(Self.configuration(path))
    let log = path + "/log"
    let segment = try #require(
      FileManager.default.contentsOfDirectory(atPath: log).sorted().first)
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: log + "/" + segment))
    let all = try #require(try file.readToEnd())
    let used = try #require(all.lastIndex { $0 != 0 })
    try file.seek(toOffset: UInt64(used / 2))
    try file.write(contentsOf: Data([all[used / 2] ^ 0x40]))
    try file.close()
    let before = try temporary.image(of: "n1")
    var again = Self.configuration(path)
    #expect {
      try OpenedStores(&again, log: { _ in })
    } throws: { error in
      guard case .damaged(let text)? = error as? StorageError else { return false }
      return text.contains(segment)
    }
    #expect(try temporary.image(of: "n1") == before)
  }

  @Test func aDamagedIdentityIsRefused() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    try Self.fill(Self.configuration(path))
    let file = path + "/identity"
    var bytes = try #require(FileManager.default.contents(atPath: file))
    bytes[20] ^= 1
    try bytes.write(to: URL(fileURLWithPath: file))
    var again = Self.configuration(path)
    #expect {
      try OpenedStores(&again, log: { _ in })
    } throws: {
      "\($0)".contains("is damaged")
    }
  }

  @Test func aNewerFormatIsRefused() throws {
    var bytes = IdentityFormat.encode(
      Identity(node: NodeID(1), clusterID: 2, creationDigest: 3, incarnation: 4))
    bytes[11] = 9
    #expect {
      try IdentityFormat.decode(bytes, file: "identity")
    } throws: {
      "\($0)".contains("as new as")
    }
  }

  @Test func goldenBytesOfAnIdentity() {
    let bytes = IdentityFormat.encode(
      Identity(node: NodeID(1), clusterID: 2, creationDigest: 3, incarnation: 4))
    let expected = [
      "4b564e4f44454944", "00000001", "00000001", "0000000000000002", "0000000000000003",
      "0000000000000004",
    ].joined()
    #expect(bytes.count == 48)
    #expect(Bytes(bytes)[0..<40].hexadecimal == expected)
  }
}
