import Foundation
import KVBase
import KVCommand
import KVFiles
import KVNodeCore
import KVState
import Testing

@testable import KVServer

/// What a data directory holds at the moment at which it first says that the cluster is formed.
@Suite struct FormedDirectoryTests {
  /// From then on the map counts and the flags do not, so the map must be durable: a process that
  /// is killed loses what the state store had not flushed.
  @Test func aDirectoryThatKnowsItsClusterHasTheMap() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    let isStopped = DispatchSemaphore(value: 0)
    let server = try Server(
      DataDirectoryTests.configuration(path), log: { _ in }, onStop: { _ in isStopped.signal() })
    defer {
      server.beginShutdown()
      isStopped.wait()
      server.join()
    }
    var clusterID: UInt64 = 0
    for _ in 0..<10_000 where clusterID == 0 {
      usleep(1_000)
      clusterID = try Self.clusterID(path)
    }
    #expect(clusterID != 0)
    // What a kill leaves: the files as they are, and nothing of the process's memory.
    let killed = temporary.path + "/killed"
    try FileManager.default.copyItem(atPath: path, toPath: killed)
    var configuration = DataDirectoryTests.configuration(killed, nodes: 3, partitions: 8)
    let stores = try OpenedStores(&configuration, log: { _ in })
    defer { stores.directory.release() }
    let meta = try #require(stores.recovery.groups.first { $0.group == .meta })
    let map = try #require(meta.status.meta)
    #expect(map.isFormed && map.clusterID == clusterID)
    #expect(map.members.map(\.node) == [NodeID(1)] && map.partitions == 4)
  }

  private static func clusterID(_ path: String) throws -> UInt64 {
    guard let data = FileManager.default.contents(atPath: path + "/identity") else { return 0 }
    return try IdentityFormat.decode([UInt8](data), file: path).clusterID
  }
}
