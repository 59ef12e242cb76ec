internal import Glibc
import Testing

@testable import JepsenNetwork

/// Bounds of time are wide: only what a rule promises is asked for.
@Suite("Proxies: delay and throttle", .serialized) struct SlowLinkTests {
  @Test func `a delay is at least what was asked for, one way`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    link.set { $0.delayNanoseconds = 50_000_000 }
    for _ in 0..<3 {
      let start = monotonicNanoseconds()
      try opener.send([1, 2])
      #expect(try target.receive(exactly: 2) == [1, 2])
      #expect(monotonicNanoseconds() - start >= 50_000_000)
    }
    #expect(link.there.delayedBytes == 6)
    try target.send([3])
    #expect(try opener.receive() == [3])
    #expect(link.back.delayedBytes == 0)
  }

  @Test func `jitter keeps the order`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    link.set {
      $0.delayNanoseconds = 1_000_000
      $0.jitterNanoseconds = 10_000_000
    }
    let sent = (0..<100).map { UInt8($0) }
    for byte in sent {
      try opener.send([byte])
      usleep(200)
    }
    #expect(try target.receive(exactly: 100) == sent)
  }

  @Test func `a delay taken away frees what waits`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    link.set { $0.delayNanoseconds = 3_600_000_000_000 }
    try opener.send([1])
    #expect(!target.hasNews(within: 50))
    link.set { _ in }
    #expect(try target.receive() == [1])
  }

  @Test func `the end of a stream waits like its bytes`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    link.set { $0.delayNanoseconds = 50_000_000 }
    let start = monotonicNanoseconds()
    try opener.send([1])
    opener.endSending()
    #expect(try target.receiveAll() == [1])
    #expect(monotonicNanoseconds() - start >= 50_000_000)
  }

  @Test(arguments: [1, 3])
  func `a throttle holds a rate over all connections`(connections: Int) async throws {
    let link = try TestLink()
    defer { link.network.close() }
    let pairs = try (0..<connections).map { _ in try link.connect() }
    link.set { $0.bytesPerSecond = 1_000_000 }
    let size = 300_000 / connections
    let start = monotonicNanoseconds()
    try await withThrowingTaskGroup(of: Int.self) { group in
      for pair in pairs {
        group.addTask {
          try await onThread {
            try pair.opener.send([UInt8](repeating: 1, count: size))
            return try pair.target.receive(exactly: size).count
          }
        }
      }
      for try await count in group { #expect(count == size) }
    }
    let seconds = Double(monotonicNanoseconds() - start) / 1e9
    // A burst of a twentieth of a second may pass at once.
    #expect(seconds > 0.24)
    #expect(seconds < 5)
    #expect(link.there.delayedBytes > 0)
  }
}
