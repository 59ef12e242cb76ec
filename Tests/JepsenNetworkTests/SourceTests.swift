internal import Glibc
import Testing

@testable import JepsenNetwork

@Suite("Proxies: who opened a connection") struct SourceTests {
  @Test func `a connection of this process is known by it`() throws {
    let network = try Network(isFramed: false)
    defer { network.close() }
    let listener = try TestListener()
    let own = getpid()
    let port = try network.openLinkIdentifyingSource(
      to: .node(2), target: listener.port, candidates: { [1, own] },
      source: { $0 == own ? .node(7) : nil })
    let opener = try TestSocket(to: port)
    try opener.send([1, 2, 3])
    let target = try listener.accept()
    #expect(try target.receive() == [1, 2, 3])
    #expect(network.counters(from: .node(7), to: .node(2)).forwardedBytes == 3)
    try target.send([4])
    #expect(try opener.receive() == [4])
    #expect(network.counters(from: .node(2), to: .node(7)).forwardedBytes == 1)
  }

  @Test func `a connection of nobody known is a client's`() throws {
    let network = try Network(isFramed: false)
    defer { network.close() }
    let listener = try TestListener()
    let port = try network.openLinkIdentifyingSource(
      to: .node(2), target: listener.port, source: { _ in nil })
    let opener = try TestSocket(to: port)
    try opener.send([1, 2, 3])
    #expect(try listener.accept().receive() == [1, 2, 3])
    #expect(network.counters(from: .clients, to: .node(2)).forwardedBytes == 3)
  }

  @Test(.enabled(if: hasBash))
  func `a child process is told from this one`() throws {
    let network = try Network(isFramed: false)
    defer { network.close() }
    let listener = try TestListener()
    let own = getpid()
    // The child comes to be known after the link: all processes are looked at.
    let port = try network.openLinkIdentifyingSource(
      to: .node(2), target: listener.port,
      source: { pid in pid == own ? .clients : parent(of: pid) == own ? .node(5) : nil })
    let child = try spawn("exec 3<>/dev/tcp/127.0.0.1/\(port); printf hello >&3; read -r <&3")
    defer {
      kill(child, SIGKILL)
      var status: Int32 = 0
      _ = unsafe waitpid(child, &status, 0)
    }
    let target = try listener.accept()
    #expect(try target.receive(exactly: 5) == Array("hello".utf8))
    #expect(network.counters(from: .node(5), to: .node(2)).forwardedBytes == 5)
    let opener = try TestSocket(to: port)
    try opener.send([1])
    #expect(try listener.accept().receive() == [1])
    #expect(network.counters(from: .clients, to: .node(2)).forwardedBytes == 1)
  }

  @Test func `a rule holds by the source that was found`() throws {
    let network = try Network(isFramed: false)
    defer { network.close() }
    let listener = try TestListener()
    let own = getpid()
    let port = try network.openLinkIdentifyingSource(
      to: .node(2), target: listener.port, candidates: { [own] }, source: { _ in .node(1) })
    network.set(.cut, from: .node(1), to: .node(2))
    let opener = try TestSocket(to: port)
    try opener.send([1])
    #expect(eventually { network.counters(from: .node(1), to: .node(2)).blockedBytes == 1 })
    #expect(!listener.hasConnection(within: 50))
    network.set(.open, from: .node(1), to: .node(2))
    #expect(try listener.accept().receive() == [1])
  }

  @Test func `lines of the tables are read`() throws {
    let four =
      "   0: 0100007F:1F90 0200007F:9C40 01 "
      + "00000000:00000000 00:00000000 00000000  1000        0 4711 1"
    let six =
      "   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:9C40 01 "
      + "00000000:00000000 00:00000000 00000000  1000        0 4712 1 0"
    let expected = Descriptor.Addresses(
      localAddress: 0x0200_007F, localPort: 0x9C40, remoteAddress: 0x0100_007F, remotePort: 0x1F90)
    let first = try #require(ConnectionTableEntry(Array(four.utf8)[...]))
    #expect(first.facing == expected && first.inode == 4711)
    let second = try #require(ConnectionTableEntry(Array(six.utf8)[...]))
    #expect(second.facing == expected && second.inode == 4712)
    #expect(ConnectionTableEntry(Array("  sl  local_address rem_address".utf8)[...]) == nil)
  }
}

private let hasBash = unsafe access("/bin/bash", X_OK) == 0

private func spawn(_ script: String) throws -> pid_t {
  var pid: pid_t = 0
  let words = ["/bin/bash", "-c", script]
  var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
  unsafe arguments.append(nil)
  defer { unsafe arguments.forEach { unsafe free($0) } }
  let status = unsafe posix_spawn(&pid, "/bin/bash", nil, nil, arguments, nil)
  guard status == 0 else { throw TestSocketError(error: status) }
  return pid
}

/// From `/proc/PID/stat`: the fourth field, after a name in brackets.
private func parent(of pid: pid_t) -> pid_t? {
  let file = unsafe open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var room = [UInt8](repeating: 0, count: 512)
  let count = unsafe read(file, &room, room.count)
  guard count > 0, let bracket = room[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
  let fields = room[(bracket + 1)..<count].split(separator: UInt8(ascii: " "))
  return fields.count > 1 ? pid_t(String(decoding: fields[1], as: UTF8.self)) : nil
}
