internal import CEpoll
internal import Glibc
internal import Synchronization

/// A thread of the system, with a name that debuggers show. It may be joined, once.
final class NetworkThread: Sendable {
  private final class Start: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private let thread: pthread_t
  private let isJoined = Atomic<Bool>(false)

  init(name: String, _ body: @escaping @Sendable () -> Void) throws(NetworkError) {
    let start = unsafe Unmanaged.passRetained(Start(body))
    var started = pthread_t()
    let status = unsafe pthread_create(
      &started, nil, { unsafe NetworkThread.entry($0) }, start.toOpaque())
    guard status == 0 else {
      unsafe start.release()
      throw NetworkError("can't start a thread", error: status)
    }
    thread = started
    _ = unsafe pthread_setname_np(started, name)
  }

  private static func entry(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    start.body()
    return nil
  }

  func join() {
    let again = isJoined.exchange(true, ordering: .relaxed)
    precondition(!again, "a thread joined twice")
    _ = pthread_join(thread, nil)
  }

  deinit {
    if !isJoined.load(ordering: .relaxed) { _ = pthread_detach(thread) }
  }
}
