internal import KVBase
internal import KVCommand

/// What reads that are not answered yet hold in memory, in the node and of each connection: from
/// the request until its answer, whether it waits for a round, for an index, or for a thread that
/// reads.
///
/// A waiting read has a buffer of its own at the latest when it has waited for
/// `WaitingReads.longestAttachment`, so what is counted here is what is held.
struct ReadBudget: Sendable {
  /// What a read takes beside its keys: its place in the queues, and the caller.
  private static let overhead = 256

  private var bytes = 0
  /// For look-up only.
  private var connections: [ConnectionID: Int] = [:]

  /// What a read counts for.
  static func cost(of command: ReadCommand) -> Int {
    switch command {
    case .get(_, let key): overhead + key.count
    case .multiGet(_, let keys): keys.reduce(overhead) { $0 + $1.count + 32 }
    case .scan(let scan): overhead + scan.from.count + (scan.to?.count ?? 0)
    }
  }

  /// False where the node, or the connection, holds too much for one more.
  mutating func take(_ cost: Int, for connection: ConnectionID) -> Bool {
    guard bytes + cost <= Limits.heldReadBytes else { return false }
    let held = connections[connection, default: 0]
    guard held == 0 || held + cost <= Limits.connectionReadBytes else { return false }
    connections[connection] = held + cost
    bytes += cost
    return true
  }

  mutating func giveBack(_ cost: Int, of connection: ConnectionID) {
    bytes -= cost
    let left = connections[connection, default: 0] - cost
    precondition(
      left >= 0 && bytes >= 0, "\(cost) bytes of \(connection), which holds \(left + cost)")
    connections[connection] = left == 0 ? nil : left
  }

  func isHeld(by connection: ConnectionID) -> Bool { connections[connection] != nil }
}
