internal import CLibUV
internal import Glibc
internal import KVBase
internal import Synchronization

/// One thread's sockets, timers and jobs, over libuv. An actor that has it as its executor runs on
/// that thread, and so may be entered from the loop's callbacks with `assumeIsolated`.
///
/// A turn: timers fire, or sockets become ready and everything that they have is read; then the
/// jobs and closures that came up are run; then `onTurnEnd`, once; then every connection with
/// output is flushed. So a turn's requests share one log write and one write per connection.
@safe
package final class EventLoop: SerialExecutor, @unchecked Sendable {
  enum Phase { case running, stopping, stopped }

  let raw: UnsafeMutablePointer<uv_loop_t>
  private let wake: UnsafeMutablePointer<uv_async_t>
  private let prepare: UnsafeMutablePointer<uv_prepare_t>
  private let check: UnsafeMutablePointer<uv_check_t>
  /// What every socket is read into; only what was read is copied out.
  let readBuffer: UnsafeMutableRawBufferPointer
  private let owner = Atomic<UInt>(0)
  let inbox = Locked(LoopInbox())

  // From here on: for the loop's thread only.
  private(set) var phase = Phase.running
  var liveHandles = 0
  var pendingLookups = 0
  var connectionsMade: UInt64 = 0
  var items: [LoopItem] = []
  var running: [LoopItem] = []
  var taken: [LoopItem] = []
  var inboxSignalled = false
  private var stopRequested = false
  private var turnHasWork = false
  private var toFlush: [Connection] = []
  private var flushing: [Connection] = []

  /// Called once at the end of each turn in which something happened, before connections are
  /// flushed. What it enqueues is run in the same turn.
  package var onTurnEnd: (() -> Void)? {
    didSet { checkCurrent() }
  }

  package init() throws(LoopError) {
    // A write to a connection that is gone is to answer an error, not to end the process.
    signal(SIGPIPE, SIG_IGN)
    unsafe raw = .allocate(capacity: 1)
    let status = unsafe uv_loop_init(raw)
    guard status == 0 else {
      unsafe raw.deallocate()
      throw LoopError(code: status, attempt: "make an event loop")
    }
    unsafe wake = .allocate(capacity: 1)
    unsafe prepare = .allocate(capacity: 1)
    unsafe check = .allocate(capacity: 1)
    unsafe readBuffer = .allocate(byteCount: Limits.readBytes, alignment: 64)
    let asyncStatus = unsafe uv_async_init(raw, wake, { unsafe EventLoop.woken($0) })
    precondition(asyncStatus == 0, "uv_async_init answered \(asyncStatus)")
    unsafe uv_prepare_init(raw, prepare)
    unsafe uv_prepare_start(prepare, { unsafe EventLoop.beforePoll($0) })
    unsafe uv_check_init(raw, check)
    unsafe uv_check_start(check, { unsafe EventLoop.afterPoll($0) })
    // Told apart from the handles of `LoopHandle`, which have their owner here.
    unsafe wake.pointee.data = nil
    unsafe prepare.pointee.data = nil
    unsafe check.pointee.data = nil
    unsafe raw.pointee.data = Unmanaged.passUnretained(self).toOpaque()
  }

  // MARK: Running

  /// Runs the loop on this thread until `stop`, once in its life.
  package func run() {
    let previous = owner.exchange(Self.currentThread, ordering: .sequentiallyConsistent)
    precondition(previous == 0 && phase == .running, "the loop has run before")
    unsafe uv_run(raw, UV_RUN_DEFAULT)
    precondition(phase == .stopped, "libuv left the loop in phase \(phase)")
    release()
    owner.store(0, ordering: .sequentiallyConsistent)
  }

  /// Runs the loop on a thread of its own.
  package func start(name: String) -> NamedThread {
    NamedThread(name: name) { self.run() }
  }

  /// From any thread: closes everything that the loop has and lets `run` return. Handlers are told
  /// of their connections' ends. What is posted afterwards is refused, and jobs are not run.
  package func stop() {
    inbox.withLock {
      $0.stopRequested = true
      wakeUp(&$0)
    }
  }

  /// Whether new handles are refused.
  package var isStopping: Bool { phase != .running }

  deinit {
    if phase != .stopped {
      closeOwnHandles()
      unsafe uv_run(raw, UV_RUN_DEFAULT)
      release()
    }
    unsafe readBuffer.deallocate()
  }

  private func release() {
    onTurnEndRelease()
    let status = unsafe uv_loop_close(raw)
    unsafe wake.deallocate()
    unsafe prepare.deallocate()
    unsafe check.deallocate()
    guard status == 0 else {
      // A name look-up that can't be cancelled still has the loop; the memory is left to it.
      precondition(pendingLookups > 0, "the loop has \(liveHandles) handles left")
      return
    }
    unsafe raw.deallocate()
  }

  // MARK: Threads

  static var currentThread: UInt { UInt(pthread_self()) }

  /// Whether this is the loop's thread.
  package var isCurrent: Bool { owner.load(ordering: .relaxed) == Self.currentThread }

  func checkCurrent() {
    precondition(isCurrent, "called from another thread than the loop's")
  }

  /// With the inbox locked: has the loop look into it.
  func wakeUp(_ box: inout LoopInbox) {
    guard !box.closed, !box.wakeSent else { return }
    box.wakeSent = true
    unsafe uv_async_send(wake)
  }

  // MARK: Turns

  /// Something happened: the turn has an end to be told of.
  func noteWork() { turnHasWork = true }

  func flushLater(_ connection: Connection) {
    turnHasWork = true
    toFlush.append(connection)
  }

  private func endTurn() {
    var rounds = 0
    while inboxSignalled || turnHasWork || !items.isEmpty {
      takeInbox()
      runItems()
      rounds += 1
      let last = rounds == Limits.jobRoundsPerTurn
      guard items.isEmpty || last else { continue }
      turnHasWork = false
      onTurnEnd?()
      flushAll()
      if last {
        // Jobs that beget jobs without end: the rest waits for the next turn, so that sockets and
        // timers have theirs.
        inbox.withLock { wakeUp(&$0) }
        break
      }
    }
    if stopRequested { advanceStop() }
  }

  private func flushAll() {
    guard !toFlush.isEmpty else { return }
    swap(&toFlush, &flushing)
    for connection in flushing { connection.flushNow() }
    flushing.removeAll(keepingCapacity: true)
  }

  private func takeInbox() {
    guard inboxSignalled else { return }
    inboxSignalled = false
    inbox.withLock { box in
      swap(&box.items, &taken)
      box.posts = 0
      box.wakeSent = false
      stopRequested = stopRequested || box.stopRequested
    }
    items.append(contentsOf: taken)
    taken.removeAll(keepingCapacity: true)
  }

  private func runItems() {
    guard !items.isEmpty else { return }
    turnHasWork = true
    swap(&items, &running)
    for item in running {
      switch item {
      case .job(let job): unsafe job.runSynchronously(on: asUnownedSerialExecutor())
      case .post(let body): body()
      }
    }
    running.removeAll(keepingCapacity: true)
  }

  // MARK: Stopping

  /// First closes what users have, and runs turns until all of it is gone; then itself.
  private func advanceStop() {
    if phase == .running {
      phase = .stopping
      unsafe uv_walk(raw, { unsafe EventLoop.closeUsersHandle($0, $1) }, nil)
    }
    guard phase == .stopping, liveHandles == 0 else { return }
    inbox.withLock {
      $0.closed = true
      items.append(contentsOf: $0.items)
      $0.items = []
    }
    var rounds = 0
    while !items.isEmpty && rounds < Limits.jobRoundsPerTurn {
      runItems()
      rounds += 1
    }
    items = []
    phase = .stopped
    closeOwnHandles()
    // A look-up in progress can't be cancelled, and would hold the loop for as long as it takes.
    if pendingLookups > 0 { unsafe uv_stop(raw) }
  }

  private func closeOwnHandles() {
    unsafe uv_close(UnsafeMutableRawPointer(wake).assumingMemoryBound(to: uv_handle_t.self), nil)
    unsafe uv_close(UnsafeMutableRawPointer(prepare).assumingMemoryBound(to: uv_handle_t.self), nil)
    unsafe uv_close(UnsafeMutableRawPointer(check).assumingMemoryBound(to: uv_handle_t.self), nil)
  }

  /// What the hook holds on to is let go with the loop's end.
  private func onTurnEndRelease() {
    if isCurrent { onTurnEnd = nil }
  }

  // MARK: Callbacks

  private static func of(_ loop: UnsafeMutablePointer<uv_loop_t>?) -> EventLoop? {
    guard let data = unsafe loop?.pointee.data else { return nil }
    return unsafe Unmanaged<EventLoop>.fromOpaque(data).takeUnretainedValue()
  }

  private static func woken(_ handle: UnsafeMutablePointer<uv_async_t>?) {
    unsafe of(handle?.pointee.loop)?.inboxSignalled = true
  }

  /// For what timers and close callbacks brought, before the loop may sleep.
  private static func beforePoll(_ handle: UnsafeMutablePointer<uv_prepare_t>?) {
    unsafe of(handle?.pointee.loop)?.endTurn()
  }

  private static func afterPoll(_ handle: UnsafeMutablePointer<uv_check_t>?) {
    unsafe of(handle?.pointee.loop)?.endTurn()
  }

  private static func closeUsersHandle(
    _ handle: UnsafeMutablePointer<uv_handle_t>?, _: UnsafeMutableRawPointer?
  ) {
    guard let handle = unsafe handle, unsafe uv_is_closing(handle) == 0,
      let data = unsafe uv_handle_get_data(handle)
    else { return }
    unsafe Unmanaged<LoopHandle>.fromOpaque(data).takeUnretainedValue().loopIsStopping()
  }
}
