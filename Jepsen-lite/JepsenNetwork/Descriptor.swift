internal import CEpoll
internal import Glibc

/// Calls to the system about sockets of this machine. Descriptors are bare numbers here; each has
/// one owner, which closes it.
enum Descriptor {
  enum Transfer {
    case moved(Int)
    case ended
    case wait
    case failed
  }

  /// Both ends of a connection as the system's tables name it.
  struct Addresses: Hashable, Sendable {
    /// In network order, as they lie in memory.
    var localAddress: UInt32
    var localPort: UInt16
    var remoteAddress: UInt32
    var remotePort: UInt16
  }

  private static let loopback: UInt32 = 0x7f00_0001
  /// Connections onward come from here: they then take no port that a node listens on, and a port
  /// that nobody listens on can't be connected to itself.
  private static let ownLoopback: UInt32 = 0x7f00_0002

  /// `IP_BIND_ADDRESS_NO_PORT`: the port is chosen when the connection is made.
  private static let bindAddressNoPort: Int32 = 24

  private static func tcp() -> Int32 {
    let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    return socket(AF_INET, Int32(kind), 0)
  }

  private static func with<Result>(
    _ address: UInt32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    var made = sockaddr_in()
    made.sin_family = sa_family_t(AF_INET)
    made.sin_port = port.bigEndian
    made.sin_addr.s_addr = address.bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return unsafe withUnsafePointer(to: &made) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, size) }
    }
  }

  private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
    var on: Int32 = 1
    _ = unsafe setsockopt(
      descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// A listener on a free port.
  static func listen() throws(NetworkError) -> (descriptor: Int32, port: UInt16) {
    let made = tcp()
    guard made >= 0 else { throw NetworkError("can't make a socket", error: errno) }
    let bound = unsafe with(loopback, 0) { unsafe bind(made, $0, $1) }
    guard bound == 0, Glibc.listen(made, Int32(NetworkLimits.listenBacklog)) == 0,
      let port = addresses(of: made)?.localPort
    else {
      let error = errno
      Glibc.close(made)
      throw NetworkError("can't listen on 127.0.0.1", error: error)
    }
    return (made, port)
  }

  /// The next connection of a listener; with why there is none.
  static func accept(_ listener: Int32) -> (descriptor: Int32, error: Int32) {
    let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let accepted = accept4(listener, nil, nil, flags)
    guard accepted >= 0 else { return (-1, errno) }
    set(accepted, Int32(IPPROTO_TCP), TCP_NODELAY)
    return (accepted, 0)
  }

  /// A connection under way; it is there, or has failed, when it can be written. -1 where it failed
  /// at once.
  static func connect(to port: UInt16) -> Int32 {
    let made = tcp()
    guard made >= 0 else { return -1 }
    set(made, Int32(IPPROTO_IP), bindAddressNoPort)
    set(made, Int32(IPPROTO_TCP), TCP_NODELAY)
    _ = unsafe with(ownLoopback, 0) { unsafe bind(made, $0, $1) }
    let status = unsafe with(loopback, port) { unsafe Glibc.connect(made, $0, $1) }
    guard status == 0 || errno == EINPROGRESS else {
      Glibc.close(made)
      return -1
    }
    return made
  }

  /// The error that a socket has met; 0 for none.
  static func error(of descriptor: Int32) -> Int32 {
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    let status = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
    return status == 0 ? error : errno
  }

  static func receive(_ descriptor: Int32, into room: UnsafeMutableRawBufferPointer) -> Transfer {
    transfer(unsafe recv(descriptor, room.baseAddress, room.count, 0))
  }

  static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Transfer {
    transfer(unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)))
  }

  private static func transfer(_ count: Int) -> Transfer {
    if count > 0 { return .moved(count) }
    if count == 0 { return .ended }
    return errno == EAGAIN || errno == EINTR ? .wait : .failed
  }

  static func endSending(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_WR)) }

  /// A descriptor that does nothing but be there.
  static func spare() -> Int32 { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }

  static func close(_ descriptor: Int32) { Glibc.close(descriptor) }

  /// Closes so that the other side sees a reset.
  static func reset(_ descriptor: Int32) {
    var remaining = linger(l_onoff: 1, l_linger: 0)
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &remaining, socklen_t(MemoryLayout<linger>.size))
    Glibc.close(descriptor)
  }

  /// The remote end is zero for a listener.
  static func addresses(of descriptor: Int32) -> Addresses? {
    var local = sockaddr_in()
    var remote = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &local) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &size)
      }
    }
    guard status == 0 else { return nil }
    size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = unsafe withUnsafeMutablePointer(to: &remote) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getpeername(descriptor, $0, &size)
      }
    }
    return Addresses(
      localAddress: local.sin_addr.s_addr, localPort: UInt16(bigEndian: local.sin_port),
      remoteAddress: remote.sin_addr.s_addr, remotePort: UInt16(bigEndian: remote.sin_port))
  }
}

/// Nanoseconds that only go forward.
func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
