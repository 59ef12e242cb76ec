internal import CEpoll
internal import Glibc

/// Wakes one thread.
final class Bell: Sendable {
  private let descriptor: Int32

  init() throws(NetworkError) {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC))
    guard descriptor >= 0 else { throw NetworkError("can't make an event", error: errno) }
  }

  func ring() {
    var one: UInt64 = 1
    _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
  }

  /// Returns when it has rung since the last time.
  func wait() {
    var count: UInt64 = 0
    while unsafe read(descriptor, &count, MemoryLayout<UInt64>.size) < 0, errno == EINTR {}
  }

  func close() { Glibc.close(descriptor) }
}

/// A connection whose opener is not known yet.
struct UnidentifiedConnection: Sendable {
  var id: ConnectionID
  var to: Endpoint
  var addresses: Descriptor.Addresses
  var search: SourceSearch
}

/// How to find out who opened a connection: the system's table of connections names the socket at
/// its other end, and a process shows its sockets in `/proc/PID/fd`.
struct SourceSearch: Sendable {
  let bell: Bell
  let candidates: @Sendable () -> [pid_t]
  let source: @Sendable (pid_t) -> Endpoint?

  /// The endpoints that opened these connections; `nil` where none was found.
  static func endpoints(
    of all: [UnidentifiedConnection]
  ) -> [(connection: UnidentifiedConnection, endpoint: Endpoint?)] {
    guard !all.isEmpty else { return [] }
    let inodes = socketInodes(facing: all.map(\.addresses))
    return all.map { connection in
      guard let inode = inodes[connection.addresses] else { return (connection, nil) }
      let search = connection.search
      for pid in search.candidates() {
        if let endpoint = search.source(pid), holds(pid, inode) { return (connection, endpoint) }
      }
      return (connection, nil)
    }
  }

  /// By our end of a connection: the inode of the socket at the other end.
  static func socketInodes(facing ours: [Descriptor.Addresses]) -> [Descriptor.Addresses: UInt64] {
    let searched = Set(ours)
    var inodes: [Descriptor.Addresses: UInt64] = [:]
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] where inodes.count < searched.count {
      for line in contents(table).split(separator: UInt8(ascii: "\n")).dropFirst() {
        guard let entry = ConnectionTableEntry(line), searched.contains(entry.facing) else {
          continue
        }
        inodes[entry.facing] = entry.inode
      }
    }
    return inodes
  }

  private static func holds(_ pid: pid_t, _ inode: UInt64) -> Bool {
    let folder = "/proc/\(pid)/fd"
    let expected = Array("socket:[\(inode)]".utf8)
    var link = [UInt8](repeating: 0, count: 64)
    return names(in: folder).contains { name in
      let count = unsafe link.withUnsafeMutableBytes { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) { room in
          guard let start = room.baseAddress else { return -1 }
          return unsafe readlink("\(folder)/\(name)", start, room.count)
        }
      }
      return count > 0 && link[..<count] == expected[...]
    }
  }

  /// All processes that may be looked at.
  static func allProcesses() -> [pid_t] { names(in: "/proc").compactMap { pid_t($0) } }

  static func names(in folder: String) -> [String] {
    guard let opened = unsafe opendir(folder) else { return [] }
    defer { unsafe closedir(opened) }
    var names: [String] = []
    while let entry = unsafe readdir(opened) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.first != "." { names.append(name) }
    }
    return names
  }

  static func contents(_ path: String) -> [UInt8] {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { Glibc.close(file) }
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = unsafe read(file, &piece, piece.count)
      guard count > 0 else { return all }
      all += piece[..<count]
    }
  }
}

/// A line of `/proc/net/tcp` or `tcp6`.
struct ConnectionTableEntry {
  /// The connection as the other end names it.
  var facing: Descriptor.Addresses
  var inode: UInt64

  init?(_ line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 10)
    guard fields.count > 9, let local = Self.address(fields[1]),
      let remote = Self.address(fields[2]),
      let inode = UInt64(String(decoding: fields[9], as: UTF8.self))
    else { return nil }
    facing = Descriptor.Addresses(
      localAddress: remote.address, localPort: remote.port,
      remoteAddress: local.address, remotePort: local.port)
    self.inode = inode
  }

  /// The last four bytes of an address, which are all there is to an IPv4 address in IPv6, and the
  /// port.
  private static func address(_ field: ArraySlice<UInt8>) -> (address: UInt32, port: UInt16)? {
    let parts = field.split(separator: UInt8(ascii: ":"))
    guard parts.count == 2,
      let address = UInt32(String(decoding: parts[0].suffix(8), as: UTF8.self), radix: 16),
      let port = UInt16(String(decoding: parts[1], as: UTF8.self), radix: 16)
    else { return nil }
    return (address, port)
  }
}
