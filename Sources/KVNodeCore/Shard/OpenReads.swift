internal import KVBase
internal import KVWire

/// Reads that the interpreter carries out, by number: the slot of the read, and how often the slot
/// was used before, so that an answer is given once.
struct OpenReads: Sendable {
  struct Read: Sendable {
    var replica: ReplicaHandle
    var caller: Caller
    var receipt: Receipt
    /// Of the budget, until it is answered.
    var bytes: Int
  }

  private struct Slot: Sendable {
    var uses: UInt32 = 0
    var read: Read?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  var isEmpty: Bool { free.count == slots.count }
  var isFull: Bool { slots.count - free.count >= Limits.openReads }

  mutating func begin(_ read: Read) -> UInt64 {
    if free.isEmpty {
      free.append(UInt32(slots.count))
      slots.append(Slot())
    }
    let at = free.removeLast()
    slots[Int(at)].read = read
    return UInt64(slots[Int(at)].uses) << 32 | UInt64(at)
  }

  mutating func finish(_ number: UInt64) -> Read? {
    let at = Int(number & 0xFFFF_FFFF)
    guard at < slots.count, slots[at].uses == UInt32(number >> 32), let read = slots[at].read
    else { return nil }
    slots[at].read = nil
    slots[at].uses &+= 1
    free.append(UInt32(at))
    return read
  }
}
