internal import CLibUV

/// What owns a handle of libuv: a timer, a signal, a listener, a connection.
///
/// The handle's memory belongs to libuv from its start until its close callback, which alone frees
/// it; so long, the handle holds on to its owner. All of it is confined to the loop's thread, which
/// every entry checks; that is why a type with plain variables may be `Sendable`.
@safe
package class LoopHandle: @unchecked Sendable {
  package let loop: EventLoop
  /// `nil` before `adopt` and from `releaseRaw` on.
  private(set) var raw: UnsafeMutableRawPointer?
  /// Handles whose memory is not yet freed: the present one, and those released.
  private var unfreed = 0

  init(loop: EventLoop) {
    loop.checkCurrent()
    unsafe raw = nil
    self.loop = loop
  }

  func rawAs<Handle>(_ type: Handle.Type) -> UnsafeMutablePointer<Handle>? {
    unsafe raw?.assumingMemoryBound(to: type)
  }

  /// Gets memory for a handle and has `start` initialise it. What `start` answers is libuv's
  /// status; where it is negative there is no handle.
  func adopt<Handle>(
    _ type: Handle.Type, start: (UnsafeMutablePointer<Handle>) -> Int32
  ) -> Int32 {
    precondition(unsafe raw == nil, "the owner has a handle already")
    let memory = UnsafeMutablePointer<Handle>.allocate(capacity: 1)
    let status = unsafe start(memory)
    guard status >= 0 else {
      unsafe memory.deallocate()
      return status
    }
    unsafe raw = UnsafeMutableRawPointer(memory)
    unsafe uv_handle_set_data(
      rawAs(uv_handle_t.self), Unmanaged.passRetained(self).toOpaque())
    unfreed += 1
    loop.liveHandles += 1
    return status
  }

  /// Closes the handle. The owner has none from here on, and may adopt another.
  func releaseRaw() {
    guard let closing = unsafe rawAs(uv_handle_t.self) else { return }
    unsafe raw = nil
    unsafe uv_close(closing, { unsafe LoopHandle.closed($0) })
  }

  /// The last handle's memory is freed. Called on the loop's thread.
  func didRelease() {}

  /// The loop is stopping: close.
  func loopIsStopping() { releaseRaw() }

  private static func closed(_ handle: UnsafeMutablePointer<uv_handle_t>?) {
    guard let handle = unsafe handle, let data = unsafe uv_handle_get_data(handle) else { return }
    let owner = unsafe Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue()
    unsafe UnsafeMutableRawPointer(handle).deallocate()
    owner.loop.liveHandles -= 1
    owner.unfreed -= 1
    owner.loop.noteWork()
    if unsafe owner.unfreed == 0 && owner.raw == nil { owner.didRelease() }
  }
}
