import KVBase
import KVLog
import KVNodeCore
import KVState

/// What a node had on the disk that it has lost.
struct LostDisk {
  var log: LogThread
  var state: StateThread
  var incarnation: UInt64
  var clusterID: UInt64
  /// The node has been told to stop since.
  var isRefused = false
}

/// A node whose disk is lost: it starts with an empty one, under its id.
extension SimulatedNode {
  /// The core says that the node must stop.
  func stop(saying reason: String, _ world: inout World) {
    if lostDisk != nil {
      world.record(8, UInt64(index), 0, "\(id) is refused: \(reason)")
      lostDisk?.isRefused = true
      process.holdDown()
    } else {
      world.violate(.nodeStopped, "\(id) stopped: \(reason)")
    }
    stop(losesPower: false, &world)
  }

  /// The node stops, and will start again with an empty disk, where it is a member that the cluster
  /// has registered; else nothing is done. Whether it was.
  func loseDisk(_ world: inout World) -> Bool {
    guard lostDisk == nil, isRunning, knowsCluster else { return false }
    stop(losesPower: false, &world)
    // It has made its replicas of partitions, so the map names its incarnation.
    guard log.recovered.count > 1 else { return false }
    do throws(StorageError) {
      let empty = try log.emptied()
      lostDisk = LostDisk(
        log: log, state: state, incarnation: configuration.incarnation,
        clusterID: configuration.clusterID)
      log = empty
    } catch {
      world.violate(.nodeStopped, "\(id) can't make a new log: \(error)")
      return false
    }
    state = StateThread(sessionLimit: state.machines.sessionLimit)
    configuration.incarnation = random.next() | 1
    configuration.clusterID = 0
    world.record(9, UInt64(index), 0, "\(id) has an empty disk")
    return true
  }

  /// A person has come, who gives the node the disk that it was formed with. Whether the node had
  /// been refused with the empty one.
  func giveDiskBack(_ world: inout World) -> Bool {
    guard let lost = lostDisk else { return false }
    stop(losesPower: false, &world)
    lostDisk = nil
    log = lost.log
    state = lost.state
    configuration.incarnation = lost.incarnation
    configuration.clusterID = lost.clusterID
    do throws(StorageError) {
      try log.end(losesPower: false, &random, &machine.disk.counts)
    } catch {
      world.violate(.nodeStopped, "\(id) can't open its log again: \(error)")
    }
    world.record(10, UInt64(index), lost.isRefused ? 1 : 0, "\(id) has its own disk again")
    if lost.isRefused {
      process.release()
      start(&world)
    }
    return lost.isRefused
  }

  /// A member without its disk writes nothing: it would be a vote, or an acknowledgement.
  func checkThatItStaysOut(_ carried: NodeOutputs, _ world: inout World) {
    guard lostDisk != nil, !carried.persists.isEmpty else { return }
    world.violate(.admission, "\(id) has lost its disk, and takes part in the cluster")
  }
}
