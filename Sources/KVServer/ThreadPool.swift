internal import Dispatch
internal import KVBase
internal import KVLoop

/// Threads for what may wait for a file, in the order in which it was asked for; each piece of work
/// runs on whichever thread is free. Who puts work in bounds how much there is.
final class ThreadPool: Sendable {
  private struct State {
    var work: [@Sendable () -> Void] = []
    /// What stands before it was taken; removed in one step once it is half of all.
    var head = 0
    var isClosed = false
  }

  private let state: Locked<State>
  private let wakeUp: DispatchSemaphore
  private let threads: [NamedThread]

  init(name: String, threads count: Int) {
    let state = Locked(State())
    let wakeUp = DispatchSemaphore(value: 0)
    threads = (0..<count).map { _ in
      NamedThread(name: name) { Self.run(state, wakeUp) }
    }
    self.state = state
    self.wakeUp = wakeUp
  }

  func run(_ work: @escaping @Sendable () -> Void) {
    state.withLock { $0.work.append(work) }
    wakeUp.signal()
  }

  /// Ends the threads when each has done what it does now. What waits is left undone: nobody is
  /// told of it any more.
  func stop() {
    state.withLock { $0.isClosed = true }
    for _ in threads { wakeUp.signal() }
    for thread in threads { thread.join() }
  }

  private static func run(_ state: Locked<State>, _ wakeUp: DispatchSemaphore) {
    while true {
      wakeUp.wait()
      let (work, isClosed) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
        guard !state.isClosed, state.head < state.work.count else { return (nil, state.isClosed) }
        let work = state.work[state.head]
        state.head += 1
        if state.head * 2 >= state.work.count {
          state.work.removeFirst(state.head)
          state.head = 0
        }
        return (work, false)
      }
      if isClosed { return }
      work?()
    }
  }
}

/// The threads beside the loop's and the log's: none waits for what another one does.
struct FileThreads: Sendable {
  /// Flushes, the identity, the size of the state: one at a time.
  let flushes = ThreadPool(name: "kv-flush", threads: 1)
  /// Images that are sent and installed.
  let snapshots = ThreadPool(name: "kv-snapshot", threads: 1)
  /// Records that entries need before they are applied, and entries that are no longer in memory:
  /// what a group waits for.
  let lookups = ThreadPool(name: "kv-lookup", threads: Limits.readThreads)
  /// Single records for clients.
  let reads = ThreadPool(name: "kv-read", threads: Limits.readThreads)
  /// Scans and multi-gets, which may take long.
  let scans = ThreadPool(name: "kv-scan", threads: Limits.scanThreads)

  func stop() {
    for pool in [flushes, snapshots, lookups, reads, scans] { pool.stop() }
  }
}
