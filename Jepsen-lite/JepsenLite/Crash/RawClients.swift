internal import Glibc
internal import KVBase
internal import KVCommand
internal import KVLoop
internal import KVWire

/// Clients whose ids and numbers are made up, on a connection without any library between.
struct RawClients: Sendable {
  /// What a partition answered, in order of the requests; `nil` where nothing came.
  struct Answers: Sendable {
    var replies: [Reply?]

    func count(_ isWanted: (Reply) -> Bool) -> Int {
      replies.count { $0.map(isWanted) ?? false }
    }

    var written: Int {
      count {
        if case .applied(let result, _) = $0, case .effective = result.conclusion {
          true
        } else {
          false
        }
      }
    }
    /// Refused by an entry.
    var refusedApplied: Int {
      count {
        if case .applied(let result, _) = $0, result.conclusion == .sessionRefused {
          true
        } else {
          false
        }
      }
    }
    /// Refused before it was proposed.
    var refusedUnstarted: Int {
      count {
        if case .failed(let failure) = $0, failure.reason == .createdAhead { true } else { false }
      }
    }
    var other: Int { replies.count - written - refusedApplied - refusedUnstarted }
  }

  var cluster: Ports
  var key: String

  /// Where the nodes listen, by id, and which of them leads the partition, as far as is known.
  struct Ports: Sendable {
    var ports: [UInt16]
    var leader = 0
  }

  /// The same until each stamp has an answer of the group, or was refused for its creation time:
  /// with the same stamp to whatever node leads by then. Blocks.
  mutating func addEach(_ stamps: [SessionStamp], within milliseconds: UInt64 = 30_000) -> Answers {
    var answers = Answers(replies: Array(repeating: nil, count: stamps.count))
    var open = Array(stamps.indices)
    let deadline = SystemClock.instant() + .milliseconds(milliseconds)
    while !open.isEmpty, SystemClock.instant() < deadline {
      let found = add(open.map { stamps[$0] })
      for (at, reply) in zip(open, found.replies) { answers.replies[at] = reply }
      let before = open.count
      open.removeAll { Self.isAnswer(answers.replies[$0]) }
      if open.count == before { cluster.leader = (cluster.leader + 1) % cluster.ports.count }
      if !open.isEmpty { usleep(20_000) }
    }
    return answers
  }

  private static func isAnswer(_ reply: Reply?) -> Bool {
    switch reply {
    case .applied: true
    case .failed(let failure): failure.reason == .createdAhead
    default: false
    }
  }

  /// Adds 1 to the key's counter, once for each stamp, all in flight at one time. Blocks.
  private func add(_ stamps: [SessionStamp], within milliseconds: UInt64 = 10_000) -> Answers {
    var answers = Answers(replies: Array(repeating: nil, count: stamps.count))
    guard let socket = RawSocket(port: cluster.ports[cluster.leader]) else { return answers }
    var bytes = BadBytes.hello()
    for (stream, stamp) in stamps.enumerated() {
      bytes += Self.frame(request(stamp), stream: UInt32(stream + 1))
    }
    socket.send(bytes)
    var decoder = FrameDecoder()
    var missing = stamps.count
    let deadline = SystemClock.instant() + .milliseconds(milliseconds)
    while missing > 0, SystemClock.instant() < deadline {
      guard let piece = socket.receive(within: 200) else { continue }
      guard !piece.isEmpty else { break }
      decoder.feed(Bytes(piece))
      while let frame = try? decoder.next() {
        guard frame.type == .response, frame.stream > 0, Int(frame.stream) <= stamps.count else {
          continue
        }
        answers.replies[Int(frame.stream) - 1] = try? Reply(decoding: frame.payload)
        missing -= 1
      }
    }
    return answers
  }

  private func request(_ stamp: SessionStamp) -> Bytes {
    let command = Command(
      session: stamp,
      body: .mutate(
        keyspace: .default, key: Bytes(key), .add(delta: 1, minimum: .min, maximum: .max)))
    var encoded = ByteWriter()
    command.encode(into: &encoded)
    var writer = ByteWriter()
    Request(.mutate(command, encoded: encoded.take())).encode(into: &writer)
    return writer.take()
  }

  private static func frame(_ payload: Bytes, stream: UInt32) -> [UInt8] {
    var writer = ByteWriter()
    FrameEncoder.append(Frame(type: .request, stream: stream, payload: payload), into: &writer)
    return writer.take().array
  }
}
