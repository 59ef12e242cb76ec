internal import CLibUV
internal import Glibc
internal import KVBase

extension Listener {
  /// The numeric address that a listener on `address` is to have: the first of the host's that can
  /// be listened on now. It is tried, and given back. Blocks while a name is looked up.
  package static func numericAddress(of address: HostPort) throws(LoopError) -> HostPort {
    var failure = LoopError(.nameNotFound, attempt: "listen on \(address)")
    for candidate in candidates(for: address) {
      let status = bindStatus(candidate)
      guard status != 0 else {
        return HostPort(host: candidate.host, port: address.port)
      }
      failure = LoopError(code: status, attempt: "listen on \(address)")
    }
    throw failure
  }

  /// The addresses of a name, or the numeric address itself.
  private static func candidates(for address: HostPort) -> [SocketAddress] {
    let host = address.host == "localhost" ? "127.0.0.1" : address.host
    if let numeric = SocketAddress(numeric: host, port: address.port) { return [numeric] }
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, String(address.port), &hints, &found) == 0 else { return [] }
    defer { unsafe freeaddrinfo(found) }
    var addresses: [SocketAddress] = []
    var next = unsafe found
    while let info = unsafe next, addresses.count < Limits.addressesPerName {
      if let raw = unsafe info.pointee.ai_addr, let address = unsafe SocketAddress(copying: raw) {
        addresses.append(address)
      }
      unsafe next = info.pointee.ai_next
    }
    return addresses
  }

  /// 0, or libuv's number of why nobody can listen there.
  private static func bindStatus(_ address: SocketAddress) -> Int32 {
    let family = address.isIPv6 ? AF_INET6 : AF_INET
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return -errno }
    defer { Glibc.close(descriptor) }
    // As libuv does: an address that only closed connections still have is free.
    var isReused: Int32 = 1
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<Int32>.size))
    let length = socklen_t(
      address.isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
    guard unsafe address.withSockaddr({ unsafe Glibc.bind(descriptor, $0, length) }) == 0,
      Glibc.listen(descriptor, 1) == 0
    else { return -errno }
    return 0
  }
}
