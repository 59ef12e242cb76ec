internal import Glibc

/// A value that threads share, guarded by a lock of the system: the project's one lock.
///
/// Not `Synchronization.Mutex`: on Linux that hands a contended lock over inside the kernel, which
/// the thread sanitizer can't see, and a race detector with false alarms is of no use.
@safe
@usableFromInline
package final class Locked<Value>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline var value: Value

  /// - Parameter isFair: a lock given up goes to the thread that waits for it, however soon the one
  ///   that gave it up asks again. Each hand-over then is a call of the kernel.
  package init(_ value: sending Value, isFair: Bool = false) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    var attributes = pthread_mutexattr_t()
    var status = unsafe pthread_mutexattr_init(&attributes)
    precondition(status == 0, "pthread_mutexattr_init answered \(status)")
    if isFair {
      // A lock that inherits priority is handed over by the kernel.
      unsafe pthread_mutexattr_setprotocol(&attributes, Int32(PTHREAD_PRIO_INHERIT))
    }
    status = unsafe pthread_mutex_init(mutex, &attributes)
    precondition(status == 0, "pthread_mutex_init answered \(status)")
    unsafe pthread_mutexattr_destroy(&attributes)
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Calls `body` with the value while no other thread has it. Not to be entered twice.
  @inlinable
  package func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body(&value)
  }

  @usableFromInline func lock() {
    let status = unsafe pthread_mutex_lock(mutex)
    precondition(status == 0, "pthread_mutex_lock answered \(status)")
  }

  @usableFromInline func unlock() { unsafe pthread_mutex_unlock(mutex) }
}
