internal import KVBase

/// One end of a proxied connection.
final class Socket {
  /// -1 once closed.
  private(set) var descriptor: Int32
  let token: UInt64
  /// What the poller watches it for; 0: it does not.
  var watched: UInt32 = 0
  /// It takes no more bytes for now.
  var isFull = false

  init(_ descriptor: Int32, token: UInt64) {
    self.descriptor = descriptor
    self.token = token
  }

  var isOpen: Bool { descriptor >= 0 }

  func open(_ descriptor: Int32) {
    precondition(!isOpen, "opened as \(descriptor), and already is \(self.descriptor)")
    self.descriptor = descriptor
  }

  /// Gives the descriptor up, to be closed by the caller.
  func release() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }
}

/// Bytes that wait to be forwarded, or the end of a stream.
struct Piece {
  var bytes: [UInt8]
  /// So many of them are gone.
  var sent = 0
  var arrival: UInt64
  var release: UInt64
  var isEnd = false
  /// Counted as blocked, and as delayed.
  var isBlocked = false
  var isDelayed = false

  var left: Int { bytes.count - sent }
}

/// One direction of a connection: what is on its way over one link.
final class Pipe {
  let link: Link
  let source: Socket
  let sink: Socket
  var pieces = RingQueue<Piece>(limit: NetworkLimits.waitingPieces + 4)
  private(set) var waiting = 0
  private var lastRelease: UInt64 = 0
  var shuffler = FrameShuffler()
  /// The source has said that no more comes.
  var hasEnded = false
  /// That has been passed on.
  var isFinished = false
  /// The next time at which the pipe is to be looked at.
  var alarm = UInt64.max

  init(link: Link, from source: Socket, to sink: Socket) {
    self.link = link
    self.source = source
    self.sink = sink
  }

  /// How many bytes more may wait.
  var room: Int {
    pieces.count < NetworkLimits.waitingPieces ? max(0, link.waitingBytes - waiting) : 0
  }

  /// Nothing waits, so that a byte may go straight on.
  var isIdle: Bool { pieces.isEmpty && shuffler.isEmpty }

  func append(_ bytes: [UInt8], isEnd: Bool = false, now: UInt64, _ random: inout SeededRandom) {
    guard !bytes.isEmpty || isEnd else { return }
    let release = link.release(of: now, after: lastRelease, &random)
    lastRelease = release
    var piece = Piece(bytes: bytes, arrival: now, release: release, isEnd: isEnd)
    if link.rule.isCut {
      piece.isBlocked = true
      link.counters.blockedBytes += UInt64(bytes.count)
    }
    let fits = pieces.append(piece)
    precondition(fits, "\(pieces.count) pieces wait, of at most \(pieces.limit)")
    waiting += bytes.count
  }

  /// Bytes of the front piece are gone.
  func sent(_ count: Int) {
    pieces[0].sent += count
    waiting -= count
    link.counters.forwardedBytes += UInt64(count)
    if pieces[0].left == 0 { _ = pieces.popFirst() }
  }

  /// The front piece waits for a delay or a throttle.
  func delayFront() {
    guard !pieces[0].isDelayed else { return }
    pieces[0].isDelayed = true
    link.counters.delayedBytes += UInt64(pieces[0].left)
  }

  /// Puts times and counts right after the rule has changed.
  func ruleChanged(_ random: inout SeededRandom) {
    lastRelease = 0
    for at in 0..<pieces.count {
      let release = link.release(of: pieces[at].arrival, after: lastRelease, &random)
      pieces[at].release = release
      lastRelease = release
      if link.rule.isCut, !pieces[at].isBlocked {
        pieces[at].isBlocked = true
        link.counters.blockedBytes += UInt64(pieces[at].left)
      }
    }
  }

  /// Nothing of it will arrive any more.
  func lose() {
    while let piece = pieces.popFirst() {
      if !piece.isBlocked { link.counters.blockedBytes += UInt64(piece.left) }
    }
    var remaining: [UInt8] = []
    shuffler.surrender(into: &remaining)
    link.counters.blockedBytes += UInt64(remaining.count)
    waiting = 0
  }
}
