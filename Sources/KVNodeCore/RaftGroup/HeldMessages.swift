internal import KVBase
internal import KVRaft

/// Messages of one replica that promise what is not durable yet: each waits for its persist.
///
/// A new replica promises with every message that it exists: all of them wait for the record that
/// makes it, since formation relies on it (`Formation`).
struct HeldMessages: Sendable {
  /// The latest persist of the replica that is durable.
  private(set) var durable = PersistToken(0)
  /// The record that makes the replica is not durable yet.
  private(set) var holdsAll: Bool
  private var queue = RingQueue<RaftOutputs.Send>(limit: Limits.heldMessages)

  init(holdsAll: Bool) { self.holdsAll = holdsAll }

  /// True where the message may go now; else it is held. Where too many wait it is dropped, as a
  /// network might.
  mutating func admits(_ send: RaftOutputs.Send) -> Bool {
    guard !isReleased(send) else { return true }
    queue.append(send)
    return false
  }

  mutating func persisted(_ token: PersistToken) { if token > durable { durable = token } }
  mutating func replicaIsDurable() { holdsAll = false }

  /// The next message whose persist is durable.
  mutating func popReleased() -> RaftOutputs.Send? {
    guard let first = queue.first, isReleased(first) else { return nil }
    return queue.popFirst()
  }

  private func isReleased(_ send: borrowing RaftOutputs.Send) -> Bool {
    guard !holdsAll else { return false }
    guard let after = send.after else { return true }
    return after <= durable
  }
}
