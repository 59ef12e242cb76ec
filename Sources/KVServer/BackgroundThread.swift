internal import KVLoop

/// The thread for what may wait for a file and is not the log: reads that are not in memory, scans,
/// reads of old log entries, snapshots, flushes.
final class BackgroundThread: Sendable {
  private let queue = BlockingQueue<@Sendable () -> Void>()
  private let thread: NamedThread

  init(name: String) {
    let queue = queue
    thread = NamedThread(name: name) { Self.run(queue) }
  }

  func run(_ work: @escaping @Sendable () -> Void) { queue.append(work) }

  func stop() {
    queue.close()
    thread.join()
  }

  private static func run(_ queue: BlockingQueue<@Sendable () -> Void>) {
    while let work = queue.takeAll() {
      for item in work { item() }
    }
  }
}
