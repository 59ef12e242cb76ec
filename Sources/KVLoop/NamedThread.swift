internal import Glibc
internal import Synchronization

/// A thread of the system with a name that debuggers and `top -H` show.
///
/// The body is `@Sendable`, so it never takes on the isolation of where it is written; a closure of
/// `main.swift` that did would trap on any other thread.
package final class NamedThread: Sendable {
  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  private let thread: pthread_t
  private let joined = Atomic<Bool>(false)
  package let name: String

  /// Starts `body`. The system shows at most 15 bytes of `name`.
  package init(name: String, _ body: @escaping @Sendable () -> Void) {
    self.name = name
    let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    var started = pthread_t()
    let status = unsafe pthread_create(
      &started, nil, { unsafe NamedThread.entry($0) }, start.toOpaque())
    precondition(status == 0, "can't start thread \(name): error \(status)")
    thread = started
  }

  private static func entry(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    show(start.name)
    start.body()
    return nil
  }

  /// Names the thread that runs this, where the system has a place for it.
  private static func show(_ name: String) {
    #if os(Linux)
      let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return }
      let bytes = Array(name.utf8.prefix(15))
      _ = unsafe write(descriptor, bytes, bytes.count)
      close(descriptor)
    #endif
  }

  /// Waits for the body's end. To be called once, and never on a loop's thread.
  package func join() {
    let again = joined.exchange(true, ordering: .sequentiallyConsistent)
    precondition(!again, "thread \(name) joined twice")
    let status = pthread_join(thread, nil)
    precondition(status == 0, "can't join thread \(name): error \(status)")
  }

  deinit {
    if !joined.load(ordering: .sequentiallyConsistent) { pthread_detach(thread) }
  }
}
