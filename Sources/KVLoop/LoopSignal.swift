internal import CLibUV
internal import Glibc

/// Has a signal of the process handled on a loop's thread. It lives until it is closed or the loop
/// stops; the signal then does what it does by default.
@safe
package final class LoopSignal: LoopHandle, @unchecked Sendable {
  private var body: (() -> Void)?

  /// Calls `body` on the loop's thread for each `number` that arrives.
  package init(loop: EventLoop, _ number: Int32, _ body: @escaping () -> Void) {
    self.body = body
    super.init(loop: loop)
    guard !loop.isStopping else { return }
    var status = unsafe adopt(uv_signal_t.self) { unsafe uv_signal_init(loop.raw, $0) }
    precondition(status == 0, "uv_signal_init answered \(status)")
    status = unsafe uv_signal_start(
      rawAs(uv_signal_t.self), { unsafe LoopSignal.received($0, $1) }, number)
    precondition(status == 0, "uv_signal_start(\(number)) answered \(status)")
  }

  package func close() {
    loop.checkCurrent()
    body = nil
    releaseRaw()
  }

  override func didRelease() { body = nil }

  private static func received(_ handle: UnsafeMutablePointer<uv_signal_t>?, _ number: Int32) {
    guard let data = unsafe handle?.pointee.data else { return }
    let signal = unsafe Unmanaged<LoopSignal>.fromOpaque(data).takeUnretainedValue()
    signal.loop.noteWork()
    signal.body?()
  }

  package static var terminate: Int32 { SIGTERM }
  package static var interrupt: Int32 { SIGINT }

  /// A write to a connection that is gone is to answer an error, not to end the process.
  static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
}
