internal import Glibc
internal import KVBase
internal import KVLoop

extension EventLoop {
  /// Posts from a thread that may block, once the loop has room. False where the loop has ended, or
  /// has had no room for `Limits.postTimeout`.
  func postBlocking(_ body: @escaping @Sendable () -> Void) -> Bool {
    let retryMilliseconds: UInt64 = 1
    for _ in 0..<Limits.postTimeout.milliseconds / retryMilliseconds {
      if post(body) { return true }
      usleep(UInt32(retryMilliseconds) * 1_000)
    }
    return false
  }
}
