internal import Glibc

/// A core that finds itself broken stops the process by a trap. This says which seed was running,
/// since the trap itself can't.
///
/// A run never leaves its thread, so the thread that traps names the seed.
enum TrapReport {
  private static let slots = 256
  /// Pairs of thread and seed, written before a run begins and read by a signal handler.
  nonisolated(unsafe) private static let running = UnsafeMutablePointer<UInt64>.allocate(
    capacity: 2 * slots)
  nonisolated(unsafe) private static let command = UnsafeMutablePointer<UInt8>.allocate(
    capacity: 1024)
  nonisolated(unsafe) private static var commandLength = 0

  /// Traps from now on end the process with exit code 1 and the command that runs the seed again.
  static func install(command text: String) {
    unsafe running.initialize(repeating: 0, count: 2 * slots)
    for (position, byte) in text.utf8.prefix(1024).enumerated() {
      unsafe command[position] = byte
      unsafe commandLength = position + 1
    }
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV] {
      signal(number) { _ in TrapReport.tell() }
    }
  }

  static func begins(seed: UInt64) {
    let me = UInt64(pthread_self())
    for slot in 0..<slots {
      let thread = unsafe running[2 * slot]
      guard thread == 0 || thread == me else { continue }
      unsafe running[2 * slot] = me
      unsafe running[2 * slot + 1] = seed
      return
    }
  }

  /// Calls nothing but what a signal handler may.
  private static func tell() {
    let me = UInt64(pthread_self())
    say("\nVIOLATED: a core found itself broken and stopped. Replay: ")
    unsafe _ = write(2, command, commandLength)
    for slot in 0..<slots where unsafe running[2 * slot] == me {
      say(seed: unsafe running[2 * slot + 1])
      break
    }
    say("\n")
    _exit(1)
  }

  private static func say(_ text: StaticString) {
    unsafe _ = write(2, text.utf8Start, text.utf8CodeUnitCount)
  }

  private static func say(seed: UInt64) {
    var divisor: UInt64 = 10_000_000_000_000_000_000
    while divisor > 1, seed / divisor == 0 { divisor /= 10 }
    while divisor > 0 {
      var digit = UInt8(48 + seed / divisor % 10)
      unsafe _ = write(2, &digit, 1)
      divisor /= 10
    }
  }
}
