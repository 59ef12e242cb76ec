import KVBase
import KVCommand
import KVLog
import KVPlacement
import KVRaft
import KVState
import KVWire

@testable import KVNodeCore

/// A node over the stores' twins: carries out outputs at once, and keeps what it sent.
final class TestNode {
  let configuration: NodeConfiguration
  let log: MemoryLog
  let machines: StateMachines<MemoryState>
  var core: NodeCore
  var outputs = NodeOutputs()
  /// Log writes are not done while this is set.
  var isDiskStuck = false
  /// What the gauge of its store says.
  var isUnderPressure = false
  var stuck: [UInt64] = []
  /// Bytes of what is stuck.
  var stuckBytes = 0
  /// Entry bytes that were given to be applied in one turn.
  var applySizes: [Int] = []
  /// Bytes of each log write.
  var persistSizes: [Int] = []
  /// What is to be applied is kept in `heldApplies` while this is set.
  var holdsApplies = false
  var heldApplies: [ApplyRequest] = []
  var frames: [(connection: ConnectionID, frame: Frame)] = []
  var connections: [NodeOutputs.ConnectionOrder] = []
  var replies: [(stream: UInt32, reply: Reply)] = []
  var fatal: String?
  var warnings: [String] = []
  var notes: [String] = []
  /// The links to other nodes that came and went, as reported.
  var peerEvents: [(node: NodeID, isConnected: Bool)] = []
  /// What the identity file would say.
  var clusterID: UInt64
  /// Groups whose replica was begun in this life of the node.
  var begun: [GroupID] = []
  var readers: [TransferID: SnapshotReader<MemoryState.View>] = [:]

  init(_ configuration: NodeConfiguration, log: MemoryLog, state: MemoryState, now: Now) throws {
    self.configuration = configuration
    clusterID = configuration.clusterID
    self.log = log
    machines = StateMachines(store: state)
    let machines = machines
    let recovery = try NodeRecovery(log.recovered) { (group, log) throws(StorageError) in
      try machines.recover(
        group, generation: log.generation, log: (log.baseIndex, log.lastIndex),
        configuration: log.configurations.first?.configuration)
    }
    core = NodeCore(
      configuration: configuration, recovery: recovery,
      random: SeededRandom(seed: UInt64(configuration.node.rawValue)), now: now)
  }

  func give(_ input: NodeInput, _ now: Now) throws {
    core.step(input, now: now, into: &outputs)
    try endTurn(now)
  }

  func endTurn(_ now: Now) throws {
    while true {
      core.finishTurn(now: now, into: &outputs)
      if outputs.isEmpty { return }
      var asked = NodeOutputs()
      swap(&asked, &outputs)
      try carryOut(asked, now)
    }
  }

  /// The log writes that are stuck are done, and later ones at once.
  func releaseDisk(_ now: Now) throws {
    isDiskStuck = false
    try log.sync()
    guard let last = stuck.last else { return }
    stuck = []
    try give(.persisted(last), now)
  }

  private func carryOut(_ asked: NodeOutputs, _ now: Now) throws {
    for persist in asked.persists {
      for case .reset(let group, _, _, _, _) in persist.records { begun.append(group) }
      try log.append(persist.records)
      let size = persist.records.reduce(0) { $0 + LogRecordCodec.encodedSize($1) }
      persistSizes.append(size)
      if isDiskStuck {
        stuck.append(persist.number)
        stuckBytes += size
      } else {
        try log.sync()
        core.step(.persisted(persist.number), now: now, into: &outputs)
      }
    }
    if asked.coversLog, asked.persists.isEmpty, !isDiskStuck { try log.cover() }
    for frame in asked.frames {
      frames.append(
        (
          frame.connection,
          Frame(type: frame.type, stream: frame.stream, payload: frame.payload)
        ))
    }
    asked.peerFrames.forEach { connection, writer, range in
      let payload = Bytes(Array(writer.bytes[range]))
      frames.append((connection, Frame(type: .peer, stream: 0, payload: payload)))
    }
    let bytes = Bytes(asked.replyBytes.bytes)
    for reply in asked.replies {
      replies.append((reply.stream, try Reply(decoding: bytes[reply.start..<reply.end])))
    }
    for case .note(.warning, let text) in asked.events { warnings.append(text) }
    for case .note(.info, let text) in asked.events { notes.append(text) }
    for case .peer(let node, let isConnected) in asked.events {
      peerEvents.append((node, isConnected))
    }
    connections += asked.connections
    for group in asked.removals { try machines.remove(group) }
    for creation in asked.creations {
      _ = try machines.create(
        creation.group, generation: creation.generation, configuration: creation.configuration,
        meta: creation.map)
    }
    for step in asked.snapshots { try snapshot(step, now) }
    if holdsApplies {
      heldApplies += asked.applies
    } else if !asked.applies.isEmpty {
      applySizes.append(
        asked.applies.reduce(0) { $1.entries.reduce($0) { $0 + $1.encodedSize } })
      core.step(.applied(try machines.apply(asked.applies)), now: now, into: &outputs)
    }
    for read in asked.reads {
      let result = try machines.read(read.group, read.command, tier: .all)
      core.step(.readDone(read.number, result), now: now, into: &outputs)
    }
    for read in asked.logReads {
      let entries = try? log.read(
        read.group, from: read.from, through: read.through, maxBytes: read.maxBytes)
      core.step(.logRead(read.number, entries), now: now, into: &outputs)
    }
    for (group, through) in asked.compactions { try log.compact(group, through: through) }
    if asked.flushState {
      let flushed = try configuration.flushed(try machines.flush(), log: log)
      core.step(flushed, now: now, into: &outputs)
    }
    if let id = asked.clusterID { clusterID = id }
    if let problem = asked.fatal { fatal = problem }
  }

  private func snapshot(_ order: NodeOutputs.Snapshot, _ now: Now) throws {
    func answer(_ transfer: TransferID, _ step: SnapshotStep) {
      core.step(.snapshot(transfer, step), now: now, into: &outputs)
    }
    switch order {
    case .open(let transfer, let group):
      guard let reader = try machines.beginSnapshot(group) else { return }
      readers[transfer] = reader
      answer(transfer, .opened(reader.status))
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = readers[transfer] else { return }
      let chunk = try reader.chunk(at: cursor, maxBytes: maxBytes)
      answer(transfer, .chunk(chunk.bytes, next: chunk.next))
    case .close(let transfer): readers[transfer] = nil
    case .beginInstall(let transfer, let group, let generation):
      try machines.beginInstall(group, generation: generation)
      answer(transfer, .stepDone(problem: nil))
    case .installChunk(let transfer, let group, let generation, let bytes):
      try machines.installChunk(group, generation: generation, chunk: bytes)
      answer(transfer, .stepDone(problem: nil))
    case .finishInstall(let transfer, let group, let generation):
      answer(transfer, .installed(try machines.finishInstall(group, generation: generation)))
    case .activate(let group, let generation):
      try machines.activate(group, generation: generation)
    }
  }

  func report(_ group: GroupID, _ now: Now) -> NodeReport.Group? {
    core.report(now: now.instant).groups.first { $0.group == group }
  }

  /// The cluster map, as this node knows it.
  var map: ClusterMap { core.clusterView.map }

  /// The groups of which it holds a replica.
  var replicas: [GroupID] { core.report(now: .zero).groups.map(\.group) }

  /// The commands in the log of one of its replicas, from its begin.
  func commands(of group: GroupID) throws -> [Command] {
    let entries = try log.read(
      group, from: LogIndex(1),
      through: report(group, .init(instant: .zero, wallMilliseconds: 0))?
        .last ?? .zero, maxBytes: .max)
    return try entries.filter { $0.kind == .command }.map { try Command(decoding: $0.payload) }
  }
}
