internal import Glibc

/// A POSIX semaphore: lets the main thread sleep while loops work.
@safe
final class Semaphore: @unchecked Sendable {
  private let raw: UnsafeMutablePointer<sem_t>

  init() {
    unsafe raw = .allocate(capacity: 1)
    unsafe raw.initialize(to: sem_t())
    let status = unsafe sem_init(raw, 0, 0)
    precondition(status == 0, "sem_init failed with error \(errno)")
  }

  deinit {
    unsafe sem_destroy(raw)
    unsafe raw.deallocate()
  }

  func signal() { unsafe sem_post(raw) }

  func wait() {
    while unsafe sem_wait(raw) != 0 {
      precondition(errno == EINTR, "sem_wait failed with error \(errno)")
    }
  }
}
