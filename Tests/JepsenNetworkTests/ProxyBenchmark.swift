internal import Glibc
import Testing

@testable import JepsenNetwork

/// What a proxy costs. Not run with the tests: `KV_BENCH=1 swift test -c release
/// -Xswiftc -enable-testing --filter ProxyBenchmark`.
@Suite(.enabled(if: unsafe getenv("KV_BENCH") != nil), .serialized) struct ProxyBenchmark {
  private static let seconds = 2.0

  @Test(arguments: [false, true])
  func `bytes in one direction`(isFramed: Bool) async throws {
    let link = try TestLink(isFramed: isFramed)
    defer { link.network.close() }
    for (name, port) in [("direct", link.listener.port), ("proxy", link.port)] {
      let opener = try TestSocket(to: port)
      let target = try link.listener.accept()
      async let received = onThread {
        var room = [UInt8](repeating: 0, count: 1 << 18)
        var total = 0
        while true {
          let count = unsafe recv(target.descriptor, &room, room.count, 0)
          if count <= 0 { return total }
          total += count
        }
      }
      let start = monotonicNanoseconds()
      _ = try await onThread {
        // Frames of 1,024 bytes.
        let piece = (0..<64).flatMap { _ in [0, 0, 3, 252] + [UInt8](repeating: 1, count: 1020) }
        while Double(monotonicNanoseconds() - start) < Self.seconds * 1e9 { try opener.send(piece) }
        opener.endSending()
      }
      let rate = Double(try await received) / Double(monotonicNanoseconds() - start) * 1e3
      print("\(name), framed \(isFramed): \(Int(rate)) MB/s")
    }
  }

  /// What the threads of proxies in this process have used so far.
  private func proxyNanoseconds() -> UInt64 {
    var total: UInt64 = 0
    for task in SourceSearch.names(in: "/proc/self/task") {
      let folder = "/proc/self/task/\(task)"
      guard SourceSearch.contents("\(folder)/comm") == Array("proxies\n".utf8) else { continue }
      let fields = SourceSearch.contents("\(folder)/schedstat").split(separator: UInt8(ascii: " "))
      total += fields.first.flatMap { UInt64(String(decoding: $0, as: UTF8.self)) } ?? 0
    }
    return total
  }

  @Test(arguments: [1, 16])
  func `round trips of 64 bytes`(connections: Int) async throws {
    let link = try TestLink(isFramed: true)
    defer { link.network.close() }
    for (name, port) in [("direct", link.listener.port), ("proxy", link.port)] {
      let before = proxyNanoseconds()
      let total = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<connections {
          let opener = try TestSocket(to: port)
          let target = try link.listener.accept()
          group.addTask {
            async let echoes: Void = onThread {
              while let bytes = try? target.receive(), !bytes.isEmpty { try target.send(bytes) }
            }
            let count = try await onThread {
              let message = [0, 0, 0, 60] + [UInt8](repeating: 1, count: 60)
              let start = monotonicNanoseconds()
              var count = 0
              while Double(monotonicNanoseconds() - start) < Self.seconds * 1e9 {
                try opener.send(message)
                _ = try opener.receive(exactly: 64)
                count += 1
              }
              opener.endSending()
              return count
            }
            try await echoes
            return count
          }
        }
        return try await group.reduce(0, +)
      }
      let cost = Double(proxyNanoseconds() - before) / Double(2 * max(1, total)) / 1e3
      print(
        "\(name), \(connections) connections: \(Int(Double(total) / Self.seconds)) trips/s, "
          + "\(cost) µs of the proxies' thread per message")
    }
  }
}
