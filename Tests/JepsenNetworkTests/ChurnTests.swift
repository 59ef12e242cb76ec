internal import Glibc
internal import KVBase
import Testing

@testable import JepsenNetwork

@Suite("Proxies: connections that come and go", .serialized) struct ChurnTests {
  @Test func `connections in all states leave nothing open`() async throws {
    let link = try TestLink(isFramed: true)
    defer { link.network.close() }
    var random = SeededRandom(seed: 5)
    for round in 0..<1000 {
      switch round % 100 {
      case 20: link.set { $0.isCut = true }
      case 40:
        link.set {
          $0.isCut = true; $0.resets = true
        }
      case 60: link.setBack { $0.delayNanoseconds = 1_000_000 }
      case 80:
        link.set { $0.duplicatePerThousand = 500 }
        link.setBack { _ in }
      case 0: link.set { _ in }
      default: break
      }
      let opener = try? TestSocket(to: link.port)
      try? opener?.send([0, 0, 0, 1, 7, 0, 0])
      guard link.listener.hasConnection(within: 1), random.chance(3, in: 4) else { continue }
      let target = try link.listener.accept()
      if random.chance(1, in: 2) { try? target.send([0, 0, 0, 2, 7, 0, 0]) }
      if random.chance(1, in: 2) { opener?.endSending() }
    }
    link.set { _ in }
    // Those that nobody accepted.
    while link.listener.hasConnection(within: 20) { _ = try link.listener.accept() }
    #expect(eventually { link.network.openConnections == 0 })
  }

  @Test func `a listener whose process is gone costs nothing`() throws {
    let network = try Network(isFramed: false)
    defer { network.close() }
    let gone = try TestListener().port
    let port = try network.openLink(from: .node(1), to: .node(2), target: gone)
    for _ in 0..<3000 {
      let opener = try? TestSocket(to: port)
      try? opener?.send([1])
    }
    #expect(eventually { network.openConnections == 0 })
  }

  @Test func `networks that are closed give their descriptors back`() throws {
    // Others run at the same time: what grows with every round is looked for, not an equal count.
    let before = descriptorCount()
    for _ in 0..<300 {
      let link = try TestLink()
      let (opener, target) = try link.connect()
      try opener.send([1])
      #expect(try target.receive() == [1])
      link.network.close()
    }
    #expect(descriptorCount() < before + 200)
  }

  private func descriptorCount() -> Int {
    (0..<20_000).count { fcntl(Int32($0), F_GETFD) >= 0 }
  }

  /// Both ends of as many connections as there may be, and what other tests need.
  private static let mayOpenEnough: Bool = {
    let wanted = UInt(2 * NetworkLimits.connections + 1000)
    var limit = rlimit()
    _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    if limit.rlim_cur >= wanted { return true }
    limit.rlim_cur = min(wanted, limit.rlim_max)
    return unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
      && limit.rlim_cur >= wanted
  }()

  @Test(.enabled(if: mayOpenEnough))
  func `a connection beyond the limit is refused`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    link.set { $0.isCut = true }
    var held: [TestSocket] = []
    for _ in 0..<NetworkLimits.connections { held.append(try TestSocket(to: link.port)) }
    #expect(eventually { link.network.openConnections == NetworkLimits.connections })
    let late = try TestSocket(to: link.port)
    #expect(throws: TestSocketError.self) { try late.receive() }
    #expect(link.there.refusedConnections == 1)
    held = []
    #expect(eventually { link.network.openConnections == 0 })
  }
}
