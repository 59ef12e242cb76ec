internal import Glibc
internal import KVBase
internal import KVCommand
internal import KVFiles
internal import KVLog
internal import KVLoop
internal import KVNodeCore
internal import KVRocks
internal import KVState

/// A running node: its loop, its threads, its stores.
package final class Server: Sendable {
  private let loop: EventLoop
  private let loopThread: NamedThread
  private let worker: Worker
  /// Where it listens, as a numeric address.
  package let address: String

  /// Why a node can't start, in one sentence.
  package struct StartError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
  }

  /// Opens the data directory and begins to serve. Blocks while it does. `log` is given a line of
  /// text now and then; `onStop` is called once, on the loop's thread, when the node has stopped:
  /// with `nil` where it was asked to, else with the reason.
  package init(
    _ configuration: ServerConfiguration, log: @escaping @Sendable (String) -> Void,
    onStop: @escaping @Sendable (String?) -> Void
  ) throws {
    ProcessMemory.configure()
    var configuration = configuration
    // Before the data directory is made: a start that can't listen leaves nothing.
    let listen = try ListenAddress.find(configuration.listen)
    address = listen.description
    let opened = try OpenedStores(&configuration, log: log)
    let notices = StartNotices(configuration, opened)
    loop = try EventLoop()
    worker = try Worker(
      loop: loop, configuration: configuration, stores: opened, log: log, onStop: onStop)
    loopThread = loop.start(name: "kv-loop")
    let started = Started()
    let worker = worker
    _ = loop.post {
      worker.assumeIsolated { worker in
        do {
          try worker.start(listen)
          started.finish(nil)
        } catch {
          started.finish("\(error)")
        }
      }
    }
    if let problem = started.wait() {
      loop.stop()
      loopThread.join()
      throw StartError(problem)
    }
    for notice in notices.all { log(notice) }
  }

  /// Refuses new work, hands over leaderships, finishes what runs, and stops.
  package func beginShutdown() {
    let worker = worker
    _ = loop.post { worker.assumeIsolated { $0.beginShutdown() } }
  }

  /// Returns when the loop's thread has ended.
  package func join() { loopThread.join() }
}

/// What is opened before anything is served.
struct OpenedStores: Sendable {
  let directory: DataDirectory
  let log: SegmentedLog
  let machines: Unchecked<StateMachines<RocksStore>>
  let recovery: NodeRecovery

  /// Fills in what the directory says of the node. Nothing is written before identity and log were
  /// found to be this node's and whole.
  init(
    _ configuration: inout ServerConfiguration, log report: (String) -> Void
  ) throws(StorageError) {
    let path = configuration.dataDirectory
    let node = configuration.node.node
    var random = SystemRandomNumberGenerator()
    let directory = try DataDirectory.open(
      path, node: node, creationDigest: configuration.node.creationDigest,
      incarnation: max(1, random.next()),
      difference: CreationDifference(configuration.node).sentence)
    let digest = directory.identity.creationDigest
    var options = LogOptions.randomlySalted
    options.segmentBytes = configuration.segmentBytes
    #if PlantedFaults
      options.plantedFault = configuration.plantedFault
    #endif
    if directory.isNew {
      log = try SegmentedLog.create(
        directory: path + "/log", nodeID: node, creationDigest: digest, options: options)
    } else {
      log = try SegmentedLog.open(
        directory: path + "/log", nodeID: node, creationDigest: digest, options: options)
    }
    if log.tornTailBytes > 0 {
      report("the log ended in \(log.tornTailBytes) bytes that were never acknowledged: dropped")
    }
    // The log's contract lets another thread read while one writes; the state machines are used by
    // the loop, and by other threads only where they say that any thread may.
    var state = RocksOptions()
    if let bytes = configuration.cacheBytes { state.blockCacheBytes = bytes }
    machines = Unchecked(
      StateMachines(store: try RocksStore(path: path + "/state", options: state)))
    configuration.node.incarnation = directory.identity.incarnation
    configuration.node.clusterID = directory.identity.clusterID
    configuration.node.recordedDigest = digest
    configuration.node.clientLimit = Listener.defaultConnectionLimit
    let machines = machines.value
    recovery = try NodeRecovery(log.recovered) { (group, log) throws(StorageError) in
      try machines.recover(
        group, generation: log.generation, log: (log.baseIndex, log.lastIndex),
        configuration: log.configurations.first?.configuration)
    }
    if directory.isNew { try directory.commit() }
    self.directory = directory
  }
}

/// Hands the result of the start from the loop's thread to the one that waits.
private final class Started: Sendable {
  private let queue = BlockingQueue<String?>()
  func finish(_ problem: String?) { queue.append(problem) }
  func wait() -> String? { queue.takeAll()?.first ?? nil }
}
