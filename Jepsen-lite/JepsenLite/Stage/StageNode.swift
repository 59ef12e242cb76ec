internal import Glibc
internal import JepsenFaults
internal import JepsenHistory
internal import KVBase

/// Something that a node did, and must not do.
struct NodeFinding: Hashable, Sendable {
  var text: String
  /// Whether the system has broken a promise by it. Else the run is no test of what was to be
  /// tested, for a reason that may lie outside the system.
  var isViolation: Bool
}

/// How a node may end by itself under a fault: with this exit code, saying this. A row of the fault
/// names each; any other end is a finding.
package struct ExpectedEnd: Hashable, Sendable {
  package var code: Int32
  /// Part of what it says last; empty: whatever that is.
  package var message: String

  package init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }

  func isMet(by status: ExitStatus, saying words: String) -> Bool {
    status == .code(code) && (message.isEmpty || words.contains(message))
  }
}

/// One node of the stage: its process, and what the harness does to it on purpose.
final class StageNode: Sendable {
  let number: Int
  let log: String
  /// Of its disk and its clocks; `nil` where it runs without the fault library.
  let faults: FaultHandle?

  private struct State {
    var process: ChildProcess?
    var system: (any SystemUnderTest)?
    /// Where in its log what this process says begins.
    var saysFrom = 0
    /// Why the process may end by itself just now, and how.
    var excuse: (why: String, ends: [ExpectedEnd])?
    /// The harness ends it, or has.
    var isEnding = false
    var isPaused = false
    /// How it ended while it was excused.
    var excusedEnd: ExitStatus?
    var findings: [NodeFinding] = []
  }

  private let state = Locked(State())

  init(number: Int, log: String, faults: FaultHandle? = nil) {
    self.number = number
    self.log = log
    self.faults = faults
  }

  var pid: pid_t? {
    state.withLock { state in
      guard let process = state.process, process.isRunning else { return nil }
      return process.pid
    }
  }

  var isRunning: Bool { pid != nil }
  var isPaused: Bool { state.withLock { $0.isPaused } }
  var process: ChildProcess? { state.withLock { $0.process } }
  var findings: [NodeFinding] { state.withLock { $0.findings } }
  var excusedEnd: ExitStatus? { state.withLock { $0.excusedEnd } }

  /// The last lines of what it said, for a sentence.
  var lastWords: String {
    let lines = Scratch.read(log, from: max(0, Scratch.size(log) - 4096)).split(separator: "\n")
    guard let last = lines.last else { return "nothing" }
    return last.count > 300 ? String(last.prefix(300)) + "…" : String(last)
  }

  /// - Parameter size: that of its log before it was started.
  func began(
    _ process: ChildProcess, of system: (any SystemUnderTest)?, sayingFrom size: Int
  ) {
    state.withLock { state in
      state.saysFrom = size
      state.system = system
      state.process = process
      state.isEnding = false
      state.isPaused = false
      state.excusedEnd = nil
    }
  }

  /// From now on it may end by itself in one of these ways, and that is no finding.
  func excuse(_ why: String, expecting ends: [ExpectedEnd]) {
    state.withLock { $0.excuse = (why, ends) }
  }

  /// An end that came while the excuse held is still excused.
  func endExcuse() {
    notice()
    state.withLock { $0.excuse = nil }
  }

  /// Records that its process ended by itself, where it did and should not have.
  func notice() {
    let hasEnded = state.withLock { state in
      !state.isEnding && state.process.map { !$0.isRunning } ?? false
    }
    guard hasEnded else { return }
    let words = lastWords
    let said = Scratch.read(
      log, from: max(state.withLock { $0.saysFrom }, Scratch.size(log) - 4096))
    state.withLock { state in
      guard let process = state.process, !state.isEnding, let status = process.poll() else {
        return
      }
      state.process = nil
      state.isPaused = false
      if let excuse = state.excuse {
        if excuse.ends.contains(where: { $0.isMet(by: status, saying: said) }) {
          state.excusedEnd = status
          return
        }
        state.findings.append(
          NodeFinding(
            text: "n\(number) ended by itself (\(status)), and not as it may where "
              + "\(excuse.why); it said last: \(words)", isViolation: true))
      } else {
        state.findings.append(
          NodeFinding(
            text: "n\(number) ended by itself (\(status)); it said last: \(words)",
            isViolation: state.system?.breaksPromise(ending: status, saying: said)
              ?? status.isTrap))
      }
    }
  }

  func find(_ finding: NodeFinding) { state.withLock { $0.findings.append(finding) } }

  /// Tells it to end, so that it is no finding, and waits.
  func end(by signal: Int32, within timeout: Duration = HarnessLimits.processEnd) async
    -> ExitStatus?
  {
    notice()
    let process = state.withLock { state -> ChildProcess? in
      state.isEnding = state.process != nil
      return state.process
    }
    guard let process else { return nil }
    process.send(signal)
    var status = await process.waitForEnd(within: timeout)
    if status == nil {
      process.send(SIGKILL)
      status = await process.waitForEnd(within: HarnessLimits.processEnd)
    }
    state.withLock { state in
      state.isPaused = false
      if status != nil { state.process = nil }
    }
    return status
  }

  func pause() {
    state.withLock { state in
      guard let process = state.process, process.isRunning else { return }
      state.isPaused = true
      process.send(SIGSTOP)
    }
  }

  func resume() {
    state.withLock { state in
      state.isPaused = false
      state.process?.send(SIGCONT)
    }
  }

  /// What the system says of its process: see `ChildProcess.state`.
  var processState: Character? { process?.state }

  func condition(leader: Int?) -> NodeState.Condition {
    guard isRunning else { return .down }
    if isPaused { return .paused }
    guard let leader else { return .running }
    return leader == number ? .leader : .follower
  }
}
