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

  /// Closes every open one, in order of the streams: the connection has ended.
  mutating func closeAll() -> [(stream: UInt32, call: CallRef)] {
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
