internal import Glibc
import Testing

@testable import JepsenNetwork

/// A blocking socket of a test, closed with it. Every wait is bounded by `timeoutSeconds`.
final class TestSocket: Sendable {
  let descriptor: Int32
  static let timeoutSeconds = 30

  init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    var time = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    var on: Int32 = 1
    _ = unsafe setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Connects to a port of this machine.
  convenience init(to port: UInt16) throws {
    let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    let status = unsafe TestAddress.with(port) { unsafe connect(made, $0, $1) }
    guard status == 0 else {
      let error = errno
      Glibc.close(made)
      throw TestSocketError(error: error)
    }
    self.init(adopting: made)
  }

  deinit { Glibc.close(descriptor) }

  /// Sends all of it.
  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw TestSocketError(error: errno) }
      sent += count
    }
  }

  /// What comes first, at most so many bytes; none at the end.
  func receive(_ most: Int = 65536) throws -> [UInt8] {
    var room = [UInt8](repeating: 0, count: most)
    let count = unsafe recv(descriptor, &room, most, 0)
    guard count >= 0 else { throw TestSocketError(error: errno) }
    return Array(room[..<count])
  }

  /// Exactly so many bytes.
  func receive(exactly wanted: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < wanted {
      let more = try receive(wanted - bytes.count)
      guard !more.isEmpty else { throw TestSocketError(error: 0) }
      bytes += more
    }
    return bytes
  }

  /// Everything up to the end.
  func receiveAll() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let more = try receive()
      if more.isEmpty { return bytes }
      bytes += more
    }
  }

  /// Whether something can be read within that time: bytes, the end, or an error.
  func hasNews(within milliseconds: Int32) -> Bool {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&wanted, 1, milliseconds) > 0
  }

  func endSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }
}

struct TestSocketError: Error { var error: Int32 }

enum TestAddress {
  static func with<Result>(
    _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}

/// A listener of a test, on a free port.
final class TestListener: Sendable {
  let descriptor: Int32
  let port: UInt16

  init() throws {
    (descriptor, port) = try Descriptor.listen()
    // The tests wait for connections.
    _ = fcntl(descriptor, F_SETFL, 0)
  }

  deinit { Glibc.close(descriptor) }

  func hasConnection(within milliseconds: Int32) -> Bool {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&wanted, 1, milliseconds) > 0
  }

  func accept() throws -> TestSocket {
    guard hasConnection(within: Int32(TestSocket.timeoutSeconds) * 1000) else {
      throw TestSocketError(error: ETIMEDOUT)
    }
    let accepted = Glibc.accept(descriptor, nil, nil)
    guard accepted >= 0 else { throw TestSocketError(error: errno) }
    return TestSocket(adopting: accepted)
  }
}

/// Two endpoints and a proxy between them.
struct TestLink {
  let network: Network
  let listener: TestListener
  let port: UInt16
  let a = Endpoint.node(1)
  let b = Endpoint.node(2)

  init(isFramed: Bool = false, seed: UInt64 = 1) throws {
    network = try Network(isFramed: isFramed, seed: seed)
    listener = try TestListener()
    port = try network.openLink(from: a, to: b, target: listener.port)
  }

  func connect() throws -> (opener: TestSocket, target: TestSocket) {
    let opener = try TestSocket(to: port)
    return (opener, try listener.accept())
  }

  var there: LinkCounters { network.counters(from: a, to: b) }
  var back: LinkCounters { network.counters(from: b, to: a) }

  func set(_ change: (inout LinkRule) -> Void) {
    var rule = LinkRule()
    change(&rule)
    network.set(rule, from: a, to: b)
  }

  func setBack(_ change: (inout LinkRule) -> Void) {
    var rule = LinkRule()
    change(&rule)
    network.set(rule, from: b, to: a)
  }
}

/// Asks until it holds, for at most `timeoutSeconds` seconds.
func eventually(_ holds: () -> Bool) -> Bool {
  for _ in 0..<TestSocket.timeoutSeconds * 500 {
    if holds() { return true }
    usleep(2000)
  }
  return holds()
}
