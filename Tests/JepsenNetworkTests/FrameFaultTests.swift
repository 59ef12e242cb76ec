internal import Glibc
internal import KVBase
import Testing

@testable import JepsenNetwork

@Suite("Proxies: frames and bits") struct FrameFaultTests {
  /// A frame of some length that says its number.
  private func frame(_ number: Int, padding: Int = 0) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 8 + padding)
    let length = UInt32(4 + padding)
    for at in 0..<4 {
      bytes[at] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * at))
      bytes[4 + at] = UInt8(truncatingIfNeeded: number >> (24 - 8 * at))
    }
    return bytes
  }

  private func readFrame(_ socket: TestSocket) throws -> Int {
    let header = try socket.receive(exactly: 4).reduce(0) { $0 << 8 | Int($1) }
    return try socket.receive(exactly: header)[..<4].reduce(0) { $0 << 8 | Int($1) }
  }

  private func sendFrames(_ count: Int, over socket: TestSocket, seed: UInt64) throws {
    // Cut into pieces that have nothing to do with frames.
    var random = SeededRandom(seed: seed)
    var stream = (0..<count).flatMap { frame($0, padding: Int(random.below(300))) }[...]
    while !stream.isEmpty {
      let size = min(stream.count, 1 + Int(random.below(1000)))
      try socket.send(Array(stream.prefix(size)))
      stream = stream.dropFirst(size)
      if random.chance(1, in: 4) { usleep(100) }
    }
    socket.endSending()
  }

  private func readFrames(_ socket: TestSocket, _ count: Int) throws -> [Int] {
    try (0..<count).map { _ in try readFrame(socket) }
  }

  @Test(arguments: [UInt64(1), 2, 3])
  func `frames are sent twice, but not the first`(seed: UInt64) throws {
    let link = try TestLink(isFramed: true, seed: seed)
    defer { link.network.close() }
    link.set { $0.duplicatePerThousand = 300 }
    let (opener, target) = try link.connect()
    try sendFrames(200, over: opener, seed: seed)
    #expect(eventually { link.network.openConnections == 1 })
    var seen = [Int](repeating: 0, count: 200)
    var last = 0
    var total = 0
    let bytes = try target.receiveAll()
    for number in numbers(bytes) {
      #expect(number >= last)
      last = number
      seen[number] += 1
      total += 1
    }
    #expect(seen[0] == 1)
    #expect(seen.allSatisfy { $0 == 1 || $0 == 2 })
    #expect(link.there.duplicatedFrames == UInt64(total - 200))
    #expect(total > 220)
  }

  private func numbers(_ bytes: [UInt8]) -> [Int] {
    var at = 0
    var found: [Int] = []
    while at + 8 <= bytes.count {
      let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      found.append(bytes[at + 4..<at + 8].reduce(0) { $0 << 8 | Int($1) })
      at += 4 + length
    }
    return found
  }

  @Test(arguments: [UInt64(1), 2, 3])
  func `frames change places with the next, but not the first`(seed: UInt64) throws {
    let link = try TestLink(isFramed: true, seed: seed)
    defer { link.network.close() }
    link.set { $0.reorderPerThousand = 300 }
    let (opener, target) = try link.connect()
    try sendFrames(200, over: opener, seed: seed)
    let found = numbers(try target.receiveAll())
    #expect(found.first == 0)
    #expect(found.sorted() == Array(0..<200))
    let late = zip(found, found.dropFirst()).filter { $0 > $1 }.count
    #expect(link.there.reorderedFrames == UInt64(late))
    #expect(late > 10)
  }

  @Test func `a frame that no other follows goes alone`() throws {
    let link = try TestLink(isFramed: true)
    defer { link.network.close() }
    link.set { $0.reorderPerThousand = 1000 }
    let (opener, target) = try link.connect()
    try opener.send(frame(0))
    try opener.send(frame(1))
    #expect(try readFrames(target, 2) == [0, 1])
    #expect(link.there.reorderedFrames == 0)
  }

  @Test func `a rule that comes in the middle of a frame leaves that frame alone`() throws {
    let link = try TestLink(isFramed: true)
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    let middle = frame(1, padding: 1000)
    try opener.send(frame(0) + middle[..<500])
    #expect(try target.receive(exactly: 8 + 500).count == 508)
    link.set { $0.duplicatePerThousand = 1000 }
    try opener.send(Array(middle[500...]) + frame(2))
    _ = try target.receive(exactly: 508)
    #expect(try readFrames(target, 2) == [2, 2])
    // And one that goes in the middle of a frame sends on what it has kept back.
    try opener.send(Array(middle[..<500]))
    #expect(!target.hasNews(within: 30))
    link.set { _ in }
    #expect(try target.receive(exactly: 500) == Array(middle[..<500]))
  }

  @Test func `a stream of no frames passes through`() throws {
    let link = try TestLink(isFramed: true)
    defer { link.network.close() }
    link.set {
      $0.duplicatePerThousand = 1000
      $0.reorderPerThousand = 1000
    }
    let (opener, target) = try link.connect()
    let text = Array("GET / HTTP/1.1\r\n\r\n".utf8)
    try opener.send(frame(0) + text)
    #expect(try target.receive(exactly: 8 + text.count) == frame(0) + text)
    try opener.send(text)
    #expect(try target.receive(exactly: text.count) == text)
  }

  @Test(arguments: [false, true])
  func `bits are flipped and counted`(isFramed: Bool) throws {
    let link = try TestLink(isFramed: isFramed)
    defer { link.network.close() }
    let (opener, target) = try link.connect()
    try opener.send(frame(0))
    #expect(try target.receive(exactly: 8) == frame(0))
    link.set { $0.flipPerThousand = 500 }
    var flipped = 0
    for _ in 0..<100 {
      try opener.send([0, 0, 0, 4, 0, 0, 0, 0])
      let bytes = try target.receive(exactly: 8)
      flipped += zip(bytes, [0, 0, 0, 4, 0, 0, 0, 0]).reduce(0) {
        $0 + ($1.0 ^ UInt8($1.1)).nonzeroBitCount
      }
    }
    #expect(link.there.flippedBits == UInt64(flipped))
    #expect(flipped > 20 && flipped < 80)
  }

  @Test func `the first frame of a framed stream is not garbled`() throws {
    let link = try TestLink(isFramed: true)
    defer { link.network.close() }
    link.set { $0.flipPerThousand = 1000 }
    let (opener, target) = try link.connect()
    try opener.send(frame(0))
    #expect(try target.receive(exactly: 8) == frame(0))
    try opener.send(frame(1))
    #expect(try target.receive(exactly: 8) != frame(1))
  }
}
