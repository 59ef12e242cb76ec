internal import Glibc
package import JepsenHistory
internal import KVBase

/// Keeps what clients did, and writes it to a file as it goes, so that a run that is cut off leaves
/// its history.
package final class Recorder: Sendable {
  /// Beyond so many operations the load ends: a history must fit into memory to be judged.
  package static let mostOperations = 3_000_000
  private static let flushBytes = 1 << 18

  private struct State: Sendable {
    var operations: [HistoryOperation] = []
    var counts = RecordedCounts()
    var text = ""
    var fileProblem: String?
    var isUnsupported: String?
  }

  package let clock: RunClock
  private let descriptor: Int32
  private let state = Locked(State())

  /// - Parameter file: is made anew; `nil`: nothing is written.
  package init(clock: RunClock, file: String?) throws(SystemProblem) {
    self.clock = clock
    guard let file else {
      descriptor = -1
      return
    }
    descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw SystemProblem("the file \(file) can't be written") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  package func record(_ operation: HistoryOperation) {
    let line = descriptor >= 0 ? operation.jsonLine : ""
    state.withLock { state in
      state.operations.append(operation)
      state.counts.add(operation)
      guard descriptor >= 0 else { return }
      state.text += line
      state.text += "\n"
      if state.text.utf8.count >= Self.flushBytes { flush(&state) }
    }
  }

  /// The system has no such call: the workload is none for it.
  func noteUnsupported(_ call: Call) {
    state.withLock { $0.isUnsupported = "\(call)" }
  }

  package var unsupported: String? { state.withLock { $0.isUnsupported } }
  package var counts: RecordedCounts { state.withLock { $0.counts } }
  package var isFull: Bool { state.withLock { $0.operations.count >= Self.mostOperations } }
  package var fileProblem: String? { state.withLock { $0.fileProblem } }

  package func flush() { state.withLock { flush(&$0) } }

  /// All that was recorded, by start.
  package func history() -> [HistoryOperation] {
    state.withLock { $0.operations }.sorted {
      ($0.startNanoseconds, $0.process) < ($1.startNanoseconds, $1.process)
    }
  }

  private func flush(_ state: inout State) {
    let isWhole = Scratch.write(state.text, to: descriptor)
    state.text = ""
    if !isWhole, descriptor >= 0 { state.fileProblem = "the history could not be written whole" }
  }
}

/// How many operations ended how.
package struct RecordedCounts: Hashable, Sendable {
  package var ok = 0
  package var mismatched = 0
  package var refused = 0
  package var unknown = 0

  package init() {}

  package var all: Int { ok + mismatched + refused + unknown }
  /// What the system answered with something that it did or saw.
  package var answered: Int { ok + mismatched }

  package mutating func add(_ operation: HistoryOperation) {
    switch operation.outcome {
    case .ok: ok += 1
    case .mismatch: mismatched += 1
    case .refused: refused += 1
    case .unknown: unknown += 1
    }
  }
}
