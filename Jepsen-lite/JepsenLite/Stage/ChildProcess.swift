internal import Glibc
internal import KVBase
internal import KVLoop

/// How a process ended.
package enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
  case code(Int32)
  case signal(Int32)

  package var description: String {
    switch self {
    case .code(let code): "exit code \(code)"
    case .signal(let number): "signal \(number)"
    }
  }

  /// Whether the program found itself broken, or the system found it so.
  package var isTrap: Bool {
    switch self {
    case .code: false
    case .signal(let number): [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV].contains(number)
    }
  }
}

/// A process that this one started, in a group of its own.
final class ChildProcess: Sendable {
  let pid: pid_t
  private let ended = Locked<ExitStatus?>(nil)

  init(pid: pid_t) { self.pid = pid }

  /// How it ended; `nil` while it runs.
  func poll() -> ExitStatus? {
    ended.withLock { ended in
      if let ended { return ended }
      var raw: Int32 = 0
      let answer = unsafe waitpid(pid, &raw, WNOHANG)
      guard answer == pid else { return nil }
      let signal = raw & 0x7f
      let status = signal == 0 ? ExitStatus.code((raw >> 8) & 0xff) : .signal(signal)
      ended = status
      ChildTable.remove(pid)
      return status
    }
  }

  var isRunning: Bool { poll() == nil }

  /// Sent only while its number can't be another process's.
  func send(_ signal: Int32) {
    ended.withLock { ended in
      if ended == nil { _ = kill(pid, signal) }
    }
  }

  /// What the system says it does: `R`, `S`, `T` (stopped), `Z`, …; `nil` where it is gone.
  var state: Character? {
    let text = Scratch.read("/proc/\(pid)/stat")
    // The program's name stands before it in brackets, and may hold anything.
    guard let bracket = text.lastIndex(of: ")") else { return nil }
    return text[bracket...].dropFirst(2).first
  }

  /// How it ended; `nil` where it has not within that time.
  func waitForEnd(within timeout: Duration) async -> ExitStatus? {
    let deadline = ContinuousClock.now + timeout
    while true {
      if let ended = poll() { return ended }
      guard ContinuousClock.now < deadline else { return nil }
      try? await Task.sleep(for: HarnessLimits.processPoll)
    }
  }

  /// Ends it whatever it does.
  func end() async {
    send(SIGKILL)
    _ = await waitForEnd(within: HarnessLimits.processEnd)
  }
}

/// Why a process could not be started.
struct SpawnError: Error, CustomStringConvertible {
  var description: String
}

/// Starts processes on a thread that lives as long as this process: the system ends them with the
/// thread that started them, so none survives where this process is killed.
final class Spawner: Sendable {
  private let loop: EventLoop
  private static let tiePath = "/usr/bin/setpriv"

  init() throws {
    loop = try EventLoop()
    _ = loop.start(name: "spawner")
  }

  /// - Parameters:
  ///   - environment: set for this process alone, beside what this one has.
  ///   - output: a file that gets standard output and error, at its end.
  func start(
    _ command: [String], environment: [String: String] = [:], output: String
  ) async throws(SpawnError) -> ChildProcess {
    var tied =
      unsafe access(Self.tiePath, X_OK) == 0 ? [Self.tiePath, "--pdeathsig", "KILL", "--"] : []
    if !environment.isEmpty {
      // Not given to the programs that only start this one: a library to be loaded is for it alone.
      tied += ["/usr/bin/env"] + environment.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
    }
    let whole = tied + command
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<pid_t, SpawnError>, Never>) in
      let posted = loop.post {
        do throws(SpawnError) {
          continuation.resume(returning: .success(try Self.spawn(whole, output)))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
      if !posted {
        continuation.resume(returning: .failure(SpawnError(description: "the thread has ended")))
      }
    }
    return ChildProcess(pid: try result.get())
  }

  private static func spawn(_ command: [String], _ output: String) throws(SpawnError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(
      &actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    unsafe sigfillset(&all)
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var arguments = unsafe command.map { unsafe strdup($0) }
    unsafe arguments.append(nil)
    defer { unsafe arguments.forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let failure = unsafe posix_spawn(&pid, command[0], &actions, &attributes, arguments, environ)
    guard failure == 0 else {
      throw SpawnError(
        description: unsafe "\(command[0]) can't be started: \(String(cString: strerror(failure)))")
    }
    ChildTable.add(pid)
    return pid
  }
}

/// The processes that run, where a signal handler finds them.
enum ChildTable {
  private static let slots = 64
  nonisolated(unsafe) private static let pids: UnsafeMutablePointer<pid_t> = {
    let made = UnsafeMutablePointer<pid_t>.allocate(capacity: slots)
    unsafe made.initialize(repeating: 0, count: slots)
    return unsafe made
  }()
  private static let lock = Locked(0)

  /// Ends what was started when this process exits or is told to.
  static func install() {
    // Made before a handler could need it.
    unsafe _ = pids
    atexit { ChildTable.endAll() }
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { number in
        ChildTable.endAll()
        _exit(128 + number)
      }
    }
  }

  static func add(_ pid: pid_t) {
    lock.withLock { _ in
      for slot in 0..<slots where unsafe pids[slot] == 0 {
        unsafe pids[slot] = pid
        return
      }
    }
  }

  static func remove(_ pid: pid_t) {
    lock.withLock { _ in
      for slot in 0..<slots where unsafe pids[slot] == pid { unsafe pids[slot] = 0 }
    }
  }

  /// Calls nothing but what a signal handler may.
  static func endAll() {
    for slot in 0..<slots where unsafe pids[slot] > 0 { _ = unsafe kill(-pids[slot], SIGKILL) }
  }
}
