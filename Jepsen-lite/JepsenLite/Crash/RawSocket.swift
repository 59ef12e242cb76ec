internal import Glibc

/// A TCP connection to this machine without any library between, to send what no client would.
struct RawSocket: ~Copyable {
  let descriptor: Int32

  /// Connects; `nil` where that fails.
  init?(port: UInt16) {
    let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard made >= 0 else { return nil }
    let status = unsafe LoopbackAddress.with(port: port) { unsafe connect(made, $0, $1) }
    guard status == 0 else {
      Glibc.close(made)
      return nil
    }
    descriptor = made
  }

  /// Takes over what `release` gave.
  init(adopting descriptor: Int32) { self.descriptor = descriptor }

  deinit { Glibc.close(descriptor) }

  /// The connection as a bare number, which the caller closes.
  consuming func release() -> Int32 {
    let bare = descriptor
    discard self
    return bare
  }

  static func connects(to port: UInt16) -> Bool { RawSocket(port: port) != nil }

  /// What was sent of it before the other side gave up.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Int {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { break }
      sent += count
    }
    return sent
  }

  /// No more is sent; what the other side sends still comes.
  func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  enum Ending: Sendable { case closed, stillOpen }

  /// What comes next; `nil` where nothing does within that time, and nothing where the other side
  /// has closed.
  func receive(within milliseconds: Int32) -> [UInt8]? {
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&request, 1, milliseconds) > 0 else { return nil }
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    let count = unsafe recv(descriptor, &piece, piece.count, 0)
    return Array(piece[..<max(0, count)])
  }

  /// Reads until the other side closes, or the time is over.
  func readToEnd(within milliseconds: Int) -> (bytes: [UInt8], ending: Ending) {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    let clock = ContinuousClock()
    let deadline = clock.now + .milliseconds(milliseconds)
    while true {
      let left = (deadline - clock.now) / .milliseconds(1)
      guard left > 0 else { return (bytes, .stillOpen) }
      var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&request, 1, Int32(left.rounded(.up))) > 0 else { continue }
      let count = unsafe recv(descriptor, &piece, piece.count, 0)
      guard count > 0 else { return (bytes, .closed) }
      bytes += piece[..<count]
    }
  }
}
