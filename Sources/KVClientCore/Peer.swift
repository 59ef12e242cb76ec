internal import KVBase

/// The requests on one connection, by stream. A stream is not used again before its answer came,
/// and the next connection has other numbers, so that a late answer is never taken for another's.
struct StreamTable: Sendable {
  private var slots: [CallRef?] = []
  private var free: [UInt32] = []
  /// The high bits of this connection's streams.
  private var base: UInt32 = 0
  private static let slotBits: UInt32 = 20

  var count: Int { slots.count - free.count }
  var isFull: Bool { count >= Limits.streamsPerConnection }

  mutating func open(_ call: CallRef) -> UInt32 {
    if let slot = free.popLast() {
      slots[Int(slot)] = call
      return base | slot
    }
    slots.append(call)
    return base | UInt32(slots.count - 1)
  }

  /// Whose answer it is; `nil` where nothing was asked on that stream.
  mutating func close(_ stream: UInt32) -> CallRef? {
    let slot = stream & (1 << Self.slotBits - 1)
    guard stream ^ slot == base, Int(slot) < slots.count, let call = slots[Int(slot)] else {
      return nil
    }
    slots[Int(slot)] = nil
    free.append(slot)
    return call
  }

  /// Takes every open one, in order of the streams: the connection has ended.
  mutating func takeAll() -> [(stream: UInt32, call: CallRef)] {
    var open: [(stream: UInt32, call: CallRef)] = []
    for (slot, call) in slots.enumerated() {
      if let call { open.append((base | UInt32(slot), call)) }
    }
    base &+= 1 << Self.slotBits
    slots = []
    free = []
    return open
  }
}

/// Something that can be connected to.
struct Peer: Sendable {
  enum State: Hashable, Sendable {
    case idle
    case connecting(giveUpAt: Instant)
    case connected
    /// It said that it will close.
    case leaving
    /// Another peer stands for the same node: never used.
    case alias
  }

  /// Why it can't be used at present.
  enum Problem: Hashable, Sendable {
    case refused
    case disconnected
    case timedOut
    case other(String)
  }

  var node: NodeID?
  /// Tried in turn. More than one where the map and the given endpoint differ.
  var addresses: [String]
  /// The id was given with the address, which therefore overrides the map.
  var isOverride = false
  /// It was an endpoint from the start, so that its address worked for the user.
  var isGiven = false
  var addressIndex = 0
  var state: State = .idle
  var streams = StreamTable()
  var problem: Problem?
  /// Since when the problem stands.
  var problemSince: Instant = .zero
  /// Until then it counts as unreachable.
  var restUntil: Instant = .zero
  var rest: TimeAmount = .zero
  var lastHeard: Instant = .zero
  /// Calls that wait for the connection.
  var pending: [CallRef] = []

  init(node: NodeID?, address: String) {
    self.node = node
    addresses = [address]
  }

  var address: String { addresses[addressIndex % addresses.count] }
  var name: String { node.map { "\($0)" } ?? address }

  /// For sentences: `n2 down for 12 s`.
  func describe(_ now: Instant) -> String {
    let age = now - problemSince
    let lasting = age >= .seconds(2) ? " for \(age.milliseconds / 1000) s" : ""
    return switch problem {
    case .refused: "\(name) down\(lasting)"
    case .disconnected: "\(name) closed the connection"
    case .timedOut: "\(name) timed out\(lasting)"
    case .other(let text): "\(name): \(text)"
    case nil: state == .idle ? "\(name) not tried" : "\(name) does not answer"
    }
  }
}
