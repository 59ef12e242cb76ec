/// A connection that somebody opened to a proxy, and the one onward.
final class ProxyConnection {
  enum Phase {
    /// Whose it is is being found out.
    case identifying
    /// A cut link keeps it from going on.
    case held
    /// The connection onward is under way.
    case connecting
    case open
  }

  let id: ConnectionID
  let target: UInt16
  var phase = Phase.identifying
  let opener: Socket
  /// Closed until the connection onward has begun.
  let onward: Socket
  /// From the opener, and back to it; there once the source is known.
  var forward: Pipe?
  var backward: Pipe?

  init(id: ConnectionID, opener: Int32, target: UInt16) {
    self.id = id
    self.target = target
    self.opener = Socket(opener, token: id.token(of: .opener))
    onward = Socket(-1, token: id.token(of: .onward))
  }

  /// The pipe that takes bytes from this end.
  func pipe(from end: Socket) -> Pipe? { end === opener ? forward : backward }
  func pipe(to end: Socket) -> Pipe? { end === opener ? backward : forward }
  func other(than end: Socket) -> Socket { end === opener ? onward : opener }

  var isCut: Bool {
    forward?.link.rule.isCut == true || backward?.link.rule.isCut == true
  }
}

/// Names a connection for as long as the proxies live: its slot, and which use of the slot it is.
struct ConnectionID: Hashable, Sendable {
  enum End: UInt64 {
    case opener = 0
    case onward = 1
    /// Not a connection: the slot is that of a listener.
    case listener = 2
  }

  var slot: Int
  var use: UInt32

  func token(of end: End) -> UInt64 {
    UInt64(use) << 32 | UInt64(slot) << 2 | end.rawValue
  }

  init(slot: Int, use: UInt32) {
    self.slot = slot
    self.use = use
  }

  init(token: UInt64) {
    slot = Int(token & 0xffff_ffff) >> 2
    use = UInt32(token >> 32)
  }
}

/// Takes connections for an endpoint.
struct Listener {
  var descriptor: Int32
  var to: Endpoint
  var target: UInt16
  /// Who opens them; `nil`: found out for each.
  var from: Endpoint?
  var search: SourceSearch?
}
