internal import Glibc
internal import KVLoop

extension EventLoop {
  /// Posts from a thread that may wait, until the loop has room. False where the loop has ended, or
  /// has not moved for seconds.
  func postPatiently(_ body: @escaping @Sendable () -> Void) -> Bool {
    for _ in 0..<5_000 {
      if post(body) { return true }
      usleep(1_000)
    }
    return false
  }
}
