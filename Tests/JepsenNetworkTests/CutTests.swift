internal import Glibc
import Testing

@testable import JepsenNetwork

@Suite("Proxies: cuts") struct CutTests {
  @Test func `held bytes arrive in order after healing`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    try opener.send([1])
    #expect(try target.receive() == [1])
    link.set { $0.isCut = true }
    try opener.send([2, 3])
    try opener.send([4])
    #expect(eventually { link.there.blockedBytes == 3 })
    #expect(!target.hasNews(within: 50))
    #expect(link.there.forwardedBytes == 1)
    link.set { _ in }
    try opener.send([5])
    #expect(try target.receive(exactly: 4) == [2, 3, 4, 5])
    #expect(link.there.forwardedBytes == 5)
    #expect(link.there.blockedBytes == 3)
  }

  @Test(arguments: [false, true])
  func `a cut is one way`(isBack: Bool) throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    if isBack { link.setBack { $0.isCut = true } } else { link.set { $0.isCut = true } }
    let (cut, whole) = isBack ? (target, opener) : (opener, target)
    try cut.send([1])
    try whole.send([2])
    #expect(try cut.receive() == [2])
    #expect(!whole.hasNews(within: 50))
    let blocked = isBack ? link.back : link.there
    let passed = isBack ? link.there : link.back
    #expect(blocked.blockedBytes == 1 && blocked.forwardedBytes == 0)
    #expect(passed.blockedBytes == 0 && passed.forwardedBytes == 1)
    link.network.set(.open, from: isBack ? link.b : link.a, to: isBack ? link.a : link.b)
    #expect(try whole.receive() == [1])
  }

  @Test func `when set returns, no byte passes any more`() async throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    async let reading = onThread { try target.receiveAll().count }
    async let writing = onThread {
      for _ in 0..<2000 { try opener.send([UInt8](repeating: 1, count: 1000)) }
      opener.endSending()
    }
    for _ in 0..<100 {
      link.set { $0.isCut = true }
      let forwarded = link.there.forwardedBytes
      usleep(300)
      #expect(link.there.forwardedBytes == forwarded)
      link.set { _ in }
      usleep(300)
    }
    try await writing
    #expect(try await reading == 2_000_000)
    target.endSending()
  }

  @Test func `the sender of a cut link is read no further than a bound`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    link.set { $0.isCut = true }
    _ = fcntl(opener.descriptor, F_SETFL, O_NONBLOCK)
    let piece = [UInt8](repeating: 7, count: 1 << 16)
    var sent = 0
    var refusals = 0
    while refusals < 50, sent < 1 << 30 {
      let count = unsafe send(opener.descriptor, piece, piece.count, Int32(MSG_NOSIGNAL))
      if count > 0 { sent += count } else { refusals += 1 }
      if count <= 0 { usleep(2000) }
    }
    #expect(refusals == 50)
    #expect(link.there.blockedBytes == UInt64(NetworkLimits.heldBytes))
    link.set { _ in }
    opener.endSending()
    #expect(try target.receiveAll().count == sent)
  }

  @Test(arguments: [false, true])
  func `a new connection waits for the cut to end`(isBack: Bool) throws {
    let link = try TestLink()
    defer { link.network.close() }
    if isBack { link.setBack { $0.isCut = true } } else { link.set { $0.isCut = true } }
    let opener = try TestSocket(to: link.port)
    try opener.send([1, 2])
    #expect(eventually { (isBack ? link.back : link.there).heldConnections == 1 })
    #expect(!link.listener.hasConnection(within: 50))
    link.network.set(.open, from: link.a, to: link.b)
    link.network.set(.open, from: link.b, to: link.a)
    let target = try link.listener.accept()
    #expect(try target.receive() == [1, 2])
    try target.send([3])
    #expect(try opener.receive() == [3])
  }

  @Test func `an opener that gives up during a cut is forgotten`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    link.set { $0.isCut = true }
    do {
      let opener = try TestSocket(to: link.port)
      try opener.send([1, 2])
      #expect(eventually { link.there.blockedBytes == 2 })
    }
    #expect(eventually { link.network.openConnections == 0 })
    link.set { _ in }
    #expect(!link.listener.hasConnection(within: 50))
  }

  @Test func `a side that is gone is missed only after healing`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    var opener: TestSocket? = nil
    let target: TestSocket
    do {
      let pair = try link.connect()
      (opener, target) = (pair.opener, pair.target)
    }
    link.set { $0.isCut = true }
    _ = opener
    opener = nil
    // The end of the stream is held back too.
    #expect(!target.hasNews(within: 50))
    // Bytes for one that is gone are answered with a reset, which is held back as well.
    try target.send([1])
    usleep(20_000)
    try target.send([2])
    #expect(!target.hasNews(within: 50))
    link.set { _ in }
    #expect(target.hasNews(within: 5000))
    // The end or a reset, but never bytes.
    #expect((try? target.receive())?.isEmpty != false)
    #expect(eventually { link.network.openConnections == 0 })
  }

  @Test func `a connection that both sides have left does not outlive them in a cut`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    do {
      let pair = try link.connect()
      link.set { $0.isCut = true }
      link.setBack { $0.isCut = true }
      try pair.opener.send([1])
      try pair.target.send([2])
    }
    #expect(eventually { link.network.openConnections == 0 })
  }

  @Test func `resets end connections and refuse new ones`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    try opener.send([1])
    #expect(try target.receive() == [1])
    link.setBack {
      $0.isCut = true; $0.resets = true
    }
    #expect(throws: TestSocketError.self) { try opener.receive() }
    #expect(throws: TestSocketError.self) { try target.receive() }
    #expect(link.back.resetConnections == 1)
    #expect(link.there.resetConnections == 0)
    let late = try TestSocket(to: link.port)
    #expect(throws: TestSocketError.self) { try late.receive() }
    #expect(link.back.refusedConnections == 1)
    #expect(!link.listener.hasConnection(within: 20))
    link.setBack { _ in }
    let (again, there) = try link.connect()
    try again.send([9])
    #expect(try there.receive() == [9])
  }

  @Test func `what the target said before it closed still arrives`() throws {
    let link = try TestLink()
    defer { link.network.close() }
    var pair: (opener: TestSocket, target: TestSocket)? = try link.connect()
    let opener = try #require(pair?.opener)
    try pair?.target.send([1, 2, 3])
    pair = nil
    usleep(20_000)
    try opener.send([UInt8](repeating: 0, count: 1000))
    #expect(try opener.receive() == [1, 2, 3])
  }
}
