internal import KVBase
internal import KVRaft

/// Messages of one replica that promise what is not durable yet: each waits for its persist.
struct HeldMessages: Sendable {
  /// The latest persist of the replica that is durable.
  private(set) var durable = PersistToken(0)
  private var queue = RingQueue<RaftOutputs.Send>(limit: Limits.heldMessages)

  /// True where the message may go now; else it is held. Where too many wait it is dropped, as a
  /// network might.
  mutating func admits(_ send: RaftOutputs.Send) -> Bool {
    guard let after = send.after, after > durable else { return true }
    queue.append(send)
    return false
  }

  mutating func persisted(_ token: PersistToken) { if token > durable { durable = token } }

  /// The next message whose persist is durable.
  mutating func popReleased() -> RaftOutputs.Send? {
    guard let first = queue.first, let after = first.after, after <= durable else { return nil }
    return queue.popFirst()
  }
}
