internal import JepsenHistory
internal import KVBase

/// One client of the load: makes calls, and writes down what came of them.
///
/// One task at a time uses it.
final class Caller {
  private static let tries = 5

  private let client: any SystemClient
  private let recorder: Recorder
  let timeout: Duration
  /// How many clients there are: the distance from one process number of a client to its next.
  private let clients: Int
  private(set) var process: Int
  private var values = 0
  var random: SeededRandom

  init(
    _ client: any SystemClient, number: Int, of clients: Int, recorder: Recorder,
    timeout: Duration, random: SeededRandom
  ) {
    self.client = client
    self.clients = clients
    self.recorder = recorder
    self.timeout = timeout
    self.random = random
    process = number
  }

  /// A text that nobody else writes.
  func uniqueText() -> String {
    values += 1
    return "\(process).\(values)"
  }

  // MARK: Operations

  /// An operation that begins now.
  func begin(
    _ kind: HistoryOperation.Kind, _ key: String, value: HistoryValue? = nil,
    expected: HistoryValue? = nil
  ) -> HistoryOperation {
    HistoryOperation(
      process: process, kind: kind, key: key, value: value, expected: expected,
      startNanoseconds: recorder.clock.now, endNanoseconds: nil, outcome: .unknown)
  }

  func perform(_ call: Call) async -> Answer { await perform(call, timeout: timeout) }

  func perform(_ call: Call, timeout: Duration) async -> Answer {
    let answer = await client.perform(call, timeout: timeout)
    if answer.outcome == .unsupported { recorder.noteUnsupported(call) }
    return answer
  }

  /// Ends an operation as the answer to its last call says, and records it. After one whose outcome
  /// is unknown this client goes on as another process, as in Jepsen: the old one may be busy yet.
  func end(_ begun: HistoryOperation, _ answer: Answer) {
    var operation = begun
    operation.node = answer.node
    operation.served = answer.served
    if answer.version > 0 { operation.index = answer.version }
    switch answer.outcome {
    case .done: operation.outcome = .ok
    case .mismatch:
      // That somebody else has a lock is an answer, too.
      operation.outcome =
        begun.kind == .cas || begun.kind == .acquire
        ? .mismatch : .refused("the condition did not hold")
    case .refused(let why): operation.outcome = .refused(why)
    case .unsupported: operation.outcome = .refused("the system has no such call")
    case .unknown: operation.outcome = .unknown
    }
    if operation.outcome == .unknown {
      process += clients
    } else {
      operation.endNanoseconds = recorder.clock.now
    }
    recorder.record(operation)
  }

  // MARK: What several workloads do

  /// A read of a text, recorded as it was found.
  @discardableResult
  func read(_ key: String, _ level: Call.Level = .linearizable) async -> Answer {
    await read(key, level) { $0.map { .text($0) } }
  }

  /// - Parameter decode: what the record's text stands for in the history.
  @discardableResult
  func read(
    _ key: String, _ level: Call.Level = .linearizable, _ decode: (String?) -> HistoryValue?
  ) async -> Answer {
    var operation = begin(.read, key)
    let answer = await perform(.read(key: key, level))
    if answer.outcome == .done { operation.value = decode(answer.value) }
    end(operation, answer)
    return answer
  }

  /// Tries a read anew until it is answered: the last reads of a run must not fail for a moment's
  /// trouble. Every try is recorded.
  func insist(_ read: () async -> Answer) async {
    for _ in 0..<Self.tries {
      if await read().outcome == .done { return }
    }
  }

  /// Reads a record and replaces it by what `change` makes of it, anew where somebody came between.
  /// `change` answers `nil` where it refuses. The answer is that of the last call; one that failed
  /// before anything was written is refused.
  func readAndReplace(_ key: String, _ change: (String?) -> String?) async -> Answer {
    let deadline = ContinuousClock.now + timeout
    while true {
      let left = deadline - ContinuousClock.now
      guard left > .zero else { return Answer(.refused("others were faster all the time")) }
      let found = await perform(.read(key: key, .linearizable), timeout: left)
      switch found.outcome {
      case .done: break
      case .unknown(let why), .refused(let why): return Answer(.refused("not read before: \(why)"))
      case .mismatch, .unsupported: return found
      }
      guard let new = change(found.value) else { return Answer(.refused("not possible")) }
      let remaining = max(deadline - ContinuousClock.now, .milliseconds(1))
      let answer = await perform(
        .replace(key: key, version: found.version, new: new), timeout: remaining)
      if answer.outcome != .mismatch { return answer }
    }
  }
}
