internal import CLibUV
package import KVBase

/// A timer of a loop. It lives until it is closed or the loop stops.
@safe
package final class LoopTimer: LoopHandle, @unchecked Sendable {
  private var body: (() -> Void)?

  /// `body` is run on the loop's thread. On a loop that is stopping the timer never fires.
  package init(loop: EventLoop, _ body: @escaping () -> Void) {
    self.body = body
    super.init(loop: loop)
    guard !loop.isStopping else { return }
    let status = unsafe adopt(uv_timer_t.self) { unsafe uv_timer_init(loop.raw, $0) }
    precondition(status == 0, "uv_timer_init answered \(status)")
  }

  /// Fires once after `delay`, or from then on every `interval`, to the millisecond. Starts anew
  /// where it is running.
  package func start(after delay: TimeAmount, every interval: TimeAmount = .zero) {
    loop.checkCurrent()
    guard let timer = unsafe rawAs(uv_timer_t.self) else { return }
    // The loop's idea of the time is that of the turn's beginning.
    unsafe uv_update_time(loop.raw)
    let status = unsafe uv_timer_start(
      timer, { unsafe LoopTimer.fired($0) }, delay.milliseconds, interval.milliseconds)
    precondition(status == 0, "uv_timer_start answered \(status)")
  }

  package func stop() {
    loop.checkCurrent()
    guard let timer = unsafe rawAs(uv_timer_t.self) else { return }
    unsafe uv_timer_stop(timer)
  }

  package func close() {
    loop.checkCurrent()
    body = nil
    releaseRaw()
  }

  override func didRelease() { body = nil }

  private static func fired(_ handle: UnsafeMutablePointer<uv_timer_t>?) {
    guard let data = unsafe handle?.pointee.data else { return }
    let timer = unsafe Unmanaged<LoopTimer>.fromOpaque(data).takeUnretainedValue()
    timer.loop.noteWork()
    timer.body?()
  }
}
