import KVBase
import KVClientCore
import KVWire

/// One client process: the client's core, its connections, and lanes that each do one operation
/// after the other.
final class SimulatedClient {
  /// An operation that a lane waits for.
  struct Pending {
    var call: CallID
    var operation: PlannedOperation
    var start: UInt64
    /// What was acknowledged to anyone when it began, by group.
    var floors: [UInt64]
    /// What this client had seen of the key's group when it began.
    var after: LogIndex
  }

  struct Lane {
    var pending: Pending?
    /// The value last seen of each register, for a cas that has a chance.
    var lastSeen: [String: String?] = [:]
  }

  let index: Int
  let endpoint: Int
  var core: ClientCore
  var outputs = ClientOutputs()
  /// Emptied ones, to be used again.
  var spareOutputs: [ClientOutputs] = []
  var random: SeededRandom
  var lanes: [Lane]
  /// By peer of the core.
  var connections: [Int?] = []
  var nextCall: UInt64 = 0
  /// The wake-up that is scheduled.
  var wakeAt: UInt64 = .max
  /// By key: the group that serves it, once a receipt has said so.
  var groupOfKey: [String: GroupID] = [:]
  /// By group: the newest index that this client has seen.
  var seen: [LogIndex]

  init(
    index: Int, endpoint: Int, lanes: Int, groups: Int, settings: ClientSettings,
    random: SeededRandom, now: Now
  ) {
    self.index = index
    self.endpoint = endpoint
    self.random = random
    core = ClientCore(settings: settings, random: self.random.fork(), now: now)
    self.lanes = Array(repeating: Lane(), count: lanes)
    seen = Array(repeating: .zero, count: groups)
  }

  func process(lane: Int) -> Int { index * lanes.count + lane }
}
