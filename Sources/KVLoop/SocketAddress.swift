internal import CLibUV

/// `host:port` as people write it; IPv6 as `[::1]:7401`.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
  package let host: String
  package let port: UInt16

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// `nil` where `text` has no host or no port in 0…65535.
  package init?(parsing text: String) {
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...])
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("[") && host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty, !host.utf8.contains(0) else { return nil }
    self.init(host: String(host), port: port)
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A numeric address for the socket calls.
struct SocketAddress: CustomStringConvertible {
  private var storage = sockaddr_storage()

  /// `nil` where `host` is not numeric.
  init?(numeric host: String, port: UInt16) {
    let parsed = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      let four = unsafe raw.assumingMemoryBound(to: sockaddr_in.self)
      if unsafe uv_ip4_addr(host, Int32(port), four) == 0 { return true }
      let six = unsafe raw.assumingMemoryBound(to: sockaddr_in6.self)
      return unsafe uv_ip6_addr(host, Int32(port), six) == 0
    }
    guard parsed else { return nil }
  }

  /// A copy of what a system call gave; `nil` for another family than IP.
  init?(copying address: UnsafePointer<sockaddr>) {
    let size: Int
    switch unsafe Int32(address.pointee.sa_family) {
    case AF_INET: size = MemoryLayout<sockaddr_in>.size
    case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
    default: return nil
    }
    unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: size))
    }
  }

  /// What `ask`, a call like getpeername, fills in.
  init?(asking ask: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32) {
    var size = Int32(MemoryLayout<sockaddr_storage>.size)
    let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      return unsafe ask(raw.assumingMemoryBound(to: sockaddr.self), &size)
    }
    guard status == 0 else { return nil }
  }

  func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>) -> R) -> R {
    unsafe withUnsafePointer(to: storage) {
      unsafe body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self))
    }
  }

  var isIPv6: Bool { Int32(storage.ss_family) == AF_INET6 }

  var port: UInt16 {
    unsafe withSockaddr { address in
      let raw = unsafe UnsafeRawPointer(address)
      return unsafe Int32(address.pointee.sa_family) == AF_INET6
        ? UInt16(bigEndian: raw.assumingMemoryBound(to: sockaddr_in6.self).pointee.sin6_port)
        : UInt16(bigEndian: raw.assumingMemoryBound(to: sockaddr_in.self).pointee.sin_port)
    }
  }

  /// The address without its port.
  var host: String {
    var text = [CChar](repeating: 0, count: 64)
    let length = text.count
    _ = unsafe withSockaddr { address in unsafe uv_ip_name(address, &text, length) }
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  var description: String { HostPort(host: host, port: port).description }
}
