import Foundation
import KVBase
import KVCommand
import KVLoop
import KVNodeCore
import Testing

@testable import KVServer

/// What a person is told where a node can't start, or starts otherwise than was meant.
@Suite struct StartTests {
  /// A socket that listens on a port of loopback, closed at the end of the test.
  private final class Occupant {
    let descriptor: Int32
    let port: UInt16

    init() throws {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        let raw = UnsafeMutableRawPointer(pointer)
        let general = unsafe raw.assumingMemoryBound(to: sockaddr.self)
        guard unsafe bind(descriptor, general, length) == 0, listen(descriptor, 1) == 0 else {
          return errno
        }
        return unsafe getsockname(descriptor, general, &length)
      }
      try #require(status == 0)
      self.descriptor = descriptor
      port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }
  }

  private func refusal(listen: String) throws -> String {
    let temporary = try TemporaryDirectory()
    let path = temporary.path + "/n1"
    var configuration = DataDirectoryTests.configuration(path)
    configuration.listen = listen
    let error = try #require(throws: Server.StartError.self) {
      _ = try Server(configuration, log: { _ in }, onStop: { _ in })
    }
    #expect(!FileManager.default.fileExists(atPath: path), "a refused start left a directory")
    return error.description
  }

  @Test func anAddressThatIsTakenIsSaidSo() throws {
    let occupant = try Occupant()
    let text = try refusal(listen: "127.0.0.1:\(occupant.port)")
    #expect(
      text.hasPrefix("127.0.0.1:\(occupant.port) is in use by another program"), "\(text)")
  }

  @Test func anAddressOfAnotherMachineIsSaidSo() throws {
    // TEST-NET-1 of RFC 5737: no machine has it.
    let text = try refusal(listen: "192.0.2.1:7401")
    #expect(text.hasPrefix("192.0.2.1:7401 is not an address of this machine"), "\(text)")
    #expect(text.contains("0.0.0.0:7401"))
  }

  @Test func aNameWithoutAnAddressIsSaidSo() throws {
    let text = try refusal(listen: "nobody.invalid:7401")
    #expect(text.hasPrefix("the host 'nobody.invalid' to listen on has no address"), "\(text)")
    #expect(try refusal(listen: "7401").contains("is not HOST:PORT"))
  }

  @Test func aNameOfThisMachineCanBeListenedOn() throws {
    let found = try ListenAddress.find("localhost:0")
    #expect(found.description == "127.0.0.1:0")
  }

  // MARK: Notices

  private static func map(_ nodes: Set<UInt32>) -> ClusterMap {
    let members = nodes.sorted().map {
      MemberRecord(node: NodeID($0), incarnation: 1, address: "h:\($0)")
    }
    return ClusterMap(forming: 7, members: members, replicaSets: [], defaultMode: .cp)
  }

  private func notices(of nodes: UInt32, map: ClusterMap?, clusterID: UInt64) -> [String] {
    StartNotices(
      DataDirectoryTests.configuration("./kvnode-1", nodes: nodes), map: map, clusterID: clusterID
    ).all
  }

  @Test func aClusterOfOneIsFormedWithAWord() {
    let formed = Self.map([1])
    let said = notices(of: 1, map: nil, clusterID: 0)
    #expect(said.count == 1 && said[0].hasPrefix("forming a cluster of one node"))
    #expect(said[0].contains("remove ./kvnode-1") && said[0].contains("--peers 1=127.0.0.1:7401,"))
    // Once, and not where there are others.
    #expect(notices(of: 1, map: formed, clusterID: 7).isEmpty)
    #expect(notices(of: 3, map: nil, clusterID: 0).isEmpty)
  }

  @Test func peersThatAreNotThoseOfTheClusterAreSaidToHaveNoEffect() {
    let said = notices(of: 3, map: Self.map([1]), clusterID: 7)
    #expect(said.count == 1)
    // Its own entry still counts.
    #expect(said[0].hasPrefix("warning: of --peers only this node's own entry counts"), "\(said)")
    #expect(said[0].contains("formed of node 1, and --peers names nodes 1, 2, 3"), "\(said)")
    #expect(notices(of: 3, map: Self.map([1, 2, 3]), clusterID: 7).isEmpty)
    // Later starts need no --peers.
    #expect(notices(of: 1, map: Self.map([1, 2, 3]), clusterID: 7).isEmpty)
  }

  /// A start without --peers listens at the default address, and nobody else knows.
  @Test func anAddressThatOthersDoNotKnowIsSaid() {
    let map = Self.map([1, 2, 3])
    var configuration = DataDirectoryTests.configuration("./kvnode-1", nodes: 1)
    configuration.node.address = ""
    configuration.listen = "127.0.0.1:9"
    let said = StartNotices(configuration, map: map, clusterID: 7).all
    #expect(said.count == 1 && said[0].contains("it listens on 127.0.0.1:9"), "\(said)")
    configuration.listen = map.member(NodeID(1))?.address ?? ""
    #expect(StartNotices(configuration, map: map, clusterID: 7).all.isEmpty)
  }

  @Test func aServerSaysItsNotices() throws {
    let temporary = try TemporaryDirectory()
    let lines = Locked<[String]>([])
    let isStopped = DispatchSemaphore(value: 0)
    let server = try Server(
      DataDirectoryTests.configuration(temporary.path + "/n1"),
      log: { line in lines.withLock { $0.append(line) } }, onStop: { _ in isStopped.signal() })
    server.beginShutdown()
    isStopped.wait()
    server.join()
    #expect(lines.withLock { $0 }.contains { $0.hasPrefix("forming a cluster of one node") })
  }
}
