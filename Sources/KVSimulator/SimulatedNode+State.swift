import KVBase
import KVCommand
import KVLog
import KVNodeCore
import KVState

/// What a node's state is compared with, beside what it answers.
extension SimulatedNode {
  /// Entries were applied: each must have left its key as the log says. A state that lost the
  /// effect of one put is found here, and not only where the put is read before another takes its
  /// place.
  func checkEffects(of request: ApplyRequest, _ world: inout World) throws(StorageError) {
    guard let last = request.entries.last?.index else { return }
    for entry in request.entries {
      guard
        let expected = world.observer.effects.expected(
          after: entry.index, request.group, through: last)
      else { continue }
      let command = ReadCommand.get(keyspace: expected.keyspace, key: expected.key)
      guard case .record(let record) = try state.machines.read(request.group, command, tier: .all)
      else { continue }
      world.observer.states.compare(record, with: expected, request.group, "\(id)")
    }
  }

  /// The donor of a snapshot as of the snapshot, and its receiver once it has it, hold the same.
  func checkState(after order: NodeOutputs.Snapshot, _ world: inout World) throws(StorageError) {
    switch order {
    case .open(_, let group): try checkState(of: group, isRead: false, &world)
    case .activate(let group, _): try checkState(of: group, isRead: true, &world)
    default: break
    }
  }

  /// - Parameter isRead: also as a start would find it.
  func checkState(
    of group: GroupID, isRead: Bool, _ world: inout World
  ) throws(StorageError) {
    guard let image = try state.machines.image(of: group) else { return }
    world.observer.states.compare(image, group, "\(id)", world.observer.effects)
    if isRead {
      world.observer.states.compare(
        image, stored: try state.machines.storedImage(of: group), group, "\(id)")
    }
    world.collectFindings()
  }

  /// The end of a run: every group's state, byte by byte.
  func checkStates(_ world: inout World) {
    do throws(StorageError) {
      for (group, _) in state.machines.publishedIndexes() {
        try checkState(of: group, isRead: true, &world)
      }
    } catch {
      world.violate(.equalState, "the state of \(id) can't be read: \(error)")
    }
  }
}

extension SimulatedNode {
  /// What the frames to other nodes promise is on the disk when they leave.
  func checkPromises(of carried: NodeOutputs, _ world: inout World) {
    guard !carried.peerFrames.isEmpty, world.observer.raft.awaitsDisk(index) else { return }
    carried.peerFrames.forEach { _, writer, range in
      var reader = ByteReader(Bytes(Array(writer.bytes[range])))
      var envelope: PeerEnvelope?
      while reader.remaining > 0 {
        guard let message = try? PeerMessage(from: &reader, after: &envelope) else {
          return world.violate(.peerProtocol, "\(id) sends a frame that can't be read")
        }
        world.observer.raft.sends(message, from: index)
      }
    }
    world.collectFindings()
  }

  /// Every link has just been ticked: none has a deadline that has passed. In some of the ticks.
  func checkDeadlines(_ world: inout World) {
    guard isRunning, world.options.plant == nil, world.time / 10_000_000 % 8 == 0,
      let broken = process.brokenLinkInvariant(now: now(world.time).instant, isAfterTick: true)
    else { return }
    world.violate(.linkInvariant, "\(id): \(broken)")
  }
}
