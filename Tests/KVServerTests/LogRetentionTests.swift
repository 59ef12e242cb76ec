import Foundation
import KVBase
import KVCommand
import KVLog
import KVLoop
import KVNodeCore
import KVState
import KVWire
import Testing

@testable import KVServer

/// The log of a node that goes on writing: flushes of the state let it forget.
@Suite struct LogRetentionTests {
  /// A node of one partition that is spoken to without a socket.
  private final class Node: Sendable {
    private let stores: OpenedStores
    private let loop: EventLoop
    private let thread: NamedThread
    private let worker: Worker
    private let isStopped = DispatchSemaphore(value: 0)

    init(_ configuration: ServerConfiguration) throws {
      var configuration = configuration
      let listen = try ListenAddress.find(configuration.listen)
      stores = try OpenedStores(&configuration, log: { _ in })
      loop = try EventLoop()
      let isStopped = isStopped
      worker = try Worker(
        loop: loop, configuration: configuration, stores: stores, log: { _ in },
        onStop: { _ in isStopped.signal() })
      thread = loop.start(name: "kv-loop")
      let worker = worker
      _ = loop.post {
        worker.assumeIsolated { worker in
          do { try worker.start(listen) } catch { Issue.record("not started: \(error)") }
        }
      }
      let hello = Hello(
        role: .client, clusterID: 0, creationDigest: 0, node: NodeID(0), incarnation: 0,
        isBlank: false, software: "test")
      var writer = ByteWriter()
      hello.encode(into: &writer)
      give(.accepted(ConnectionID(1), from: "a client"))
      give(.frame(ConnectionID(1), Frame(type: .hello, stream: 0, payload: writer.take())))
    }

    private func give(_ input: NodeInput) {
      let worker = worker
      _ = loop.post { worker.assumeIsolated { $0.give(input) } }
    }

    func put(_ key: Bytes, _ value: Bytes) {
      let command = Command(
        session: .none, body: .mutate(keyspace: .default, key: key, .put(value: value)))
      var writer = ByteWriter()
      command.encode(into: &writer)
      let request = Request(.mutate(command, encoded: writer.take()))
      request.encode(into: &writer)
      give(.frame(ConnectionID(1), Frame(type: .request, stream: 1, payload: writer.take())))
    }

    func value(of key: Bytes) throws -> Bytes? {
      let result = try stores.machines.value.read(
        GroupID(1), .get(keyspace: .default, key: key), tier: .all)
      guard case .record(let record)? = result else { return nil }
      return record?.value
    }

    var writtenBytes: Int { stores.log.statistics.bytesWritten }
    var retainedBytes: Int { stores.log.statistics.retainedBytes }

    /// As a kill does: nothing is flushed.
    func stop() {
      let worker = worker
      _ = loop.post { worker.assumeIsolated { $0.stop("killed") } }
      isStopped.wait()
      thread.join()
    }
  }

  private static let valueBytes = 16 << 10
  private static let rounds = 4
  private static let perRound = 32
  private static func key(_ number: Int) -> Bytes { Bytes("key \(number)") }
  private static func value(_ number: Int) -> Bytes {
    Bytes(Array(repeating: UInt8(truncatingIfNeeded: number), count: valueBytes))
  }

  private func wait(until isTrue: () throws -> Bool) throws -> Bool {
    for _ in 0..<5_000 {
      if try isTrue() { return true }
      usleep(1_000)
    }
    return false
  }

  @Test func theLogIsLetGoAndWhatItHeldIsThereAfterAKill() throws {
    let temporary = try TemporaryDirectory()
    var configuration = DataDirectoryTests.configuration(temporary.path + "/n1", partitions: 1)
    configuration.node.flushBytes = 64 << 10
    configuration.node.logKeepBytes = 64 << 10
    configuration.segmentBytes = 64 << 10
    try fill(configuration)
    let next = try Node(configuration)
    defer { next.stop() }
    for number in 0..<Self.rounds * Self.perRound {
      let isThere = try wait { try next.value(of: Self.key(number)) == Self.value(number) }
      #expect(isThere, "key \(number)")
    }
  }

  /// Writes 2 MiB, and the log lets go of each 512 KiB of them; then the node is killed.
  private func fill(_ configuration: ServerConfiguration) throws {
    let node = try Node(configuration)
    // It serves when it has formed its cluster.
    let serves = try wait {
      node.put(Self.key(0), Self.value(0))
      usleep(9_000)
      return node.writtenBytes > Self.valueBytes
    }
    #expect(serves)
    for round in 0..<Self.rounds {
      // A flush that begins before the first ones are applied is followed by another one.
      let first = round * Self.perRound
      try write(first..<first + Self.perRound - 4, node)
      try write(first + Self.perRound - 4..<first + Self.perRound, node)
      // Its share, what came since the last flush, and the segments that both begin in.
      let isLetGo = try wait { node.retainedBytes <= 256 << 10 }
      #expect(isLetGo, "round \(round): \(node.retainedBytes) bytes are retained")
    }
    node.stop()
  }

  /// Returns when they are applied.
  private func write(_ numbers: Range<Int>, _ node: Node) throws {
    for number in numbers { node.put(Self.key(number), Self.value(number)) }
    let last = numbers.upperBound - 1
    let isApplied = try wait { try node.value(of: Self.key(last)) == Self.value(last) }
    #expect(isApplied)
  }
}
