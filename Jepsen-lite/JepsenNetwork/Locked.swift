internal import Glibc

/// Something that one thread at a time may touch.
///
/// Not the standard library's `Mutex`, for two reasons: ThreadSanitizer knows this lock, and so can
/// check what is done under it; and a lock that inherits priority goes to whoever waits for it,
/// however soon the thread of the proxies wants it again.
@safe final class Locked<State>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var state: State

  init(_ state: sending State) {
    self.state = state
    unsafe lock = .allocate(capacity: 1)
    var kind = pthread_mutexattr_t()
    unsafe pthread_mutexattr_init(&kind)
    unsafe pthread_mutexattr_setprotocol(&kind, Int32(PTHREAD_PRIO_INHERIT))
    let status = unsafe pthread_mutex_init(lock, &kind)
    precondition(status == 0, "can't make a lock: error \(status)")
    unsafe pthread_mutexattr_destroy(&kind)
  }

  deinit {
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
  }

  func withLock<Result: Sendable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let status = unsafe pthread_mutex_lock(lock)
    precondition(status == 0, "can't lock: error \(status)")
    defer { unsafe pthread_mutex_unlock(lock) }
    return try body(&state)
  }
}
