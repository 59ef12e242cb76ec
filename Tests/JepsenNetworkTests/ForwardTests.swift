internal import Glibc
internal import KVBase
import Testing

@testable import JepsenNetwork

/// Bytes pass unchanged where no rule says otherwise.
@Suite("Proxies: forwarding") struct ForwardTests {
  @Test(arguments: [false, true], [UInt64(1), 2, 3])
  func `random writes arrive the same both ways`(isFramed: Bool, seed: UInt64) async throws {
    let link = try TestLink(isFramed: isFramed)
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    async let there = exchange(from: opener, to: target, seed: seed)
    async let back = exchange(from: target, to: opener, seed: seed + 100)
    let (sent, returned) = try await (there, back)
    #expect(link.there.forwardedBytes == UInt64(sent))
    #expect(link.back.forwardedBytes == UInt64(returned))
    #expect(link.there.blockedBytes == 0)
    #expect(eventually { link.network.openConnections == 0 })
  }

  /// Sends random pieces while another thread reads, and compares.
  private func exchange(
    from source: TestSocket, to sink: TestSocket, seed: UInt64
  ) async throws -> Int {
    async let received = onThread { try sink.receiveAll() }
    let sent = try await onThread {
      var random = SeededRandom(seed: seed)
      var all: [UInt8] = []
      for _ in 0..<100 {
        let size = random.chance(1, in: 10) ? random.below(100_000) : random.below(300)
        let piece = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try source.send(piece)
        all += piece
      }
      source.endSending()
      return all
    }
    let same = try await received == sent
    #expect(same)
    return sent.count
  }

  @Test func `a half-closed connection still carries the other direction`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    try opener.send([1, 2, 3])
    opener.endSending()
    #expect(try target.receiveAll() == [1, 2, 3])
    try target.send([4, 5])
    target.endSending()
    #expect(try opener.receiveAll() == [4, 5])
    #expect(eventually { link.network.openConnections == 0 })
  }

  @Test func `a target that is not there resets the opener`() throws {
    let network = try Network(isFramed: false)
    defer { network.close() }
    let gone = try TestListener().port
    let port = try network.openLink(from: .clients, to: .node(1), target: gone)
    let opener = try TestSocket(to: port)
    #expect(throws: TestSocketError.self) { try opener.receive() }
    #expect(eventually { network.openConnections == 0 })
  }

  @Test func `a reader that stops holds the writer back`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    _ = fcntl(opener.descriptor, F_SETFL, O_NONBLOCK)
    let piece = [UInt8](repeating: 7, count: 1 << 16)
    var sent = 0
    var refusals = 0
    while refusals < 50, sent < 1 << 30 {
      let count = unsafe send(opener.descriptor, piece, piece.count, Int32(MSG_NOSIGNAL))
      if count > 0 { sent += count } else { refusals += 1 }
      if count <= 0 { usleep(2000) }
    }
    #expect(refusals == 50)
    opener.endSending()
    #expect(try target.receiveAll().count == sent)
  }

  @Test func `a closed network ends its connections and keeps its counters`() throws {
    let link = try TestLink()
    let (opener, target) = try link.connect()
    try opener.send([1])
    #expect(try target.receive() == [1])
    link.network.close()
    link.network.close()
    #expect(throws: TestSocketError.self) { try opener.receive() }
    #expect(link.there.forwardedBytes == 1)
    #expect(throws: (any Error).self) {
      try link.network.openLink(from: link.a, to: link.b, target: link.listener.port)
    }
  }
}

/// Runs what waits on a thread of its own.
func onThread<Result: Sendable>(
  _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    do {
      _ = try NetworkThread(name: "test") { continuation.resume(with: .init(catching: body)) }
    } catch {
      continuation.resume(throwing: error)
    }
  }
}
