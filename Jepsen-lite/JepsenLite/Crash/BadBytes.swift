internal import KVBase
internal import KVLoop
internal import KVWire

/// Connections that no client would make, from a seed: what each sends, and what must come of it.
struct BadBytes: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    /// A frame that ends in the middle, and then the sender's end.
    case truncated
    /// A length beyond any limit.
    case oversized
    case random
    case helloThenGarbage
    case helloThenBadChecksum
    /// A frame between nodes, from a client.
    case helloThenPeerFrame
    /// A request whose payload means nothing: answered, and the connection stays.
    case helloThenBadRequest
    /// Says that it is a node, of another cluster.
    case foreignNode
    /// A second HELLO.
    case helloTwice
  }

  /// What came of the connections of one kind.
  struct Tally: Sendable {
    var made = 0
    var closed = 0
    /// Told why, by GOAWAY or by an answer.
    var told = 0
  }

  private(set) var tallies = [Tally](repeating: Tally(), count: Kind.allCases.count)
  private(set) var problems: [String] = []
  private var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func attack(port: UInt16, times: Int) {
    for turn in 0..<times {
      let at = turn % Kind.allCases.count
      one(Kind.allCases[at], at, port)
    }
  }

  private mutating func one(_ kind: Kind, _ at: Int, _ port: UInt16) {
    guard let socket = RawSocket(port: port) else {
      problems.append("a connection for \(kind.rawValue) was refused")
      return
    }
    tallies[at].made += 1
    socket.send(bytes(kind))
    if kind == .truncated { socket.endSending() }
    let staysOpen = kind == .helloThenBadRequest
    let (answer, ending) = socket.readToEnd(within: staysOpen ? 50 : 3000)
    if ending == .closed { tallies[at].closed += 1 }
    let types = Self.frames(answer)
    if types.contains(.goaway) || types.contains(.response) { tallies[at].told += 1 }
    if staysOpen, ending == .closed {
      problems.append("\(kind.rawValue): the connection was closed for one bad request")
    } else if !staysOpen, ending == .stillOpen {
      problems.append("\(kind.rawValue): the connection was still open after 3 s")
    }
  }

  private mutating func noise(_ range: ClosedRange<Int>) -> [UInt8] {
    let count = range.lowerBound + Int(random.below(UInt64(range.count)))
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  private mutating func bytes(_ kind: Kind) -> [UInt8] {
    switch kind {
    case .truncated:
      let whole = Self.hello()
      return Array(whole.prefix(1 + Int(random.below(UInt64(whole.count - 1)))))
    case .oversized:
      let length = UInt32.max - UInt32(random.below(1 << 31))
      let header = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
      return header + [1, 1, 0, 1, 0, 0, 0, 0]
    case .random: return noise(64...8192)
    case .helloThenGarbage: return Self.hello() + [0xff, 0xff] + noise(64...8192)
    case .helloThenBadChecksum:
      var frame = Self.frame(.request, [1, 1, 0])
      frame[frame.count - 1 - Int(random.below(8))] ^= UInt8(1 + random.below(255))
      return Self.hello() + frame
    case .helloThenPeerFrame: return Self.hello() + Self.frame(.peer, noise(1...512))
    case .helloThenBadRequest:
      // A method that there is not.
      return Self.hello() + Self.frame(.request, [0xee, 0xee] + noise(1...512))
    case .foreignNode:
      return Self.hello(role: .node, digest: random.next(), node: 1 + UInt32(random.below(5)))
    case .helloTwice: return Self.hello() + Self.hello()
    }
  }

  static func hello(role: Hello.Role = .client, digest: UInt64 = 0, node: UInt32 = 0) -> [UInt8] {
    var payload = ByteWriter()
    Hello(
      role: role, clusterID: 0, creationDigest: digest, node: NodeID(node), incarnation: 0,
      isBlank: false, software: "bad-input"
    ).encode(into: &payload)
    return frame(.hello, payload.take().array)
  }

  private static func frame(_ type: FrameType, _ payload: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    FrameEncoder.append(Frame(type: type, stream: 7, payload: Bytes(payload)), into: &writer)
    return writer.take().array
  }

  /// The types of the frames in an answer, as far as it can be read.
  private static func frames(_ bytes: [UInt8]) -> [FrameType] {
    var decoder = FrameDecoder()
    decoder.feed(Bytes(bytes))
    var types: [FrameType] = []
    while let frame = try? decoder.next() { types.append(frame.type) }
    return types
  }
}
