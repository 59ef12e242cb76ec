import KVBase
import KVCommand
import KVLog
import KVNodeCore
import KVState

/// One node: its core, its twins of log and state, its disk, clock and connections.
final class SimulatedNode {
  enum LogWork {
    case persist(NodeOutputs.Persist)
    case read(NodeOutputs.LogRead)
  }

  let index: Int
  let id: NodeID
  var configuration: NodeConfiguration
  var random: SeededRandom
  var clock: SimulatedClock
  var disk: SimulatedDisk
  /// What its clock is off when no fault is at work.
  var ownDrift: Int64 = 0
  /// `nil` while the process does not run.
  var core: NodeCore?
  /// Whether there is a core: asked for with every event.
  private(set) var isRunning = false
  var log: MemoryLog
  var machines: StateMachines<MemoryState>

  /// Goes up with every start.
  var life: UInt32 = 0
  var isPaused = false
  /// Where the machine has no power, nobody answers a connection attempt.
  var hasPower = true
  /// Faults that keep it down; it starts when the last one ends.
  var downCount = 0

  var inbox: [LoopInput] = []
  var turnInputs: [LoopInput] = []
  var isTurnScheduled = false
  var turns: UInt64 = 0
  var outputs = NodeOutputs()
  var carried = NodeOutputs()

  var logQueue: [LogWork] = []
  /// Loses power during its next write.
  var diesWriting = false
  /// The last persist under the sync that runs.
  var syncing: UInt64?
  var logWrittenBytes: UInt64 = 0
  /// Of the log, as of some ticks ago.
  var retainedBytes = 0
  var gaugesAge = 0
  var isFlushing = false
  /// The transports that this node has opened, as its core and as the network name them.
  var dialed: [(core: ConnectionID, network: Int)] = []
  /// Groups that it has just begun to lead, for a fault that waits for the first commit.
  var watchedGroups: [GroupID] = []
  var readers: [(transfer: TransferID, reader: SnapshotReader<MemoryStateView>)] = []

  init(
    index: Int, configuration: NodeConfiguration, log: MemoryLog, clock: SimulatedClock,
    random: SeededRandom
  ) {
    self.index = index
    id = configuration.node
    self.configuration = configuration
    self.random = random
    self.clock = clock
    self.log = log
    disk = SimulatedDisk(random: self.random.fork())
    machines = StateMachines(store: MemoryState())
  }

  func begin(_ core: NodeCore) {
    self.core = core
    isRunning = true
  }

  func now(_ time: UInt64) -> Now { clock.now(at: time) }

  /// The process is gone: what it had in memory is gone with it.
  func forgetProcess() {
    core = nil
    isRunning = false
    isPaused = false
    diesWriting = false
    inbox = []
    turnInputs = []
    isTurnScheduled = false
    outputs.removeAll()
    carried.removeAll()
    logQueue = []
    syncing = nil
    isFlushing = false
    readers = []
    watchedGroups = []
    logWrittenBytes = 0
    gaugesAge = 0
    dialed = []
  }
}
