internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVLoop
internal import KVPlacement
internal import KVWire

/// One operation every millisecond, put and linearizable get in turn, none waiting for the last: it
/// shows when partitions are without service.
///
/// Everything but `init`, `start` and `stop` is for the loop's thread.
final class Probe: @unchecked Sendable {
  enum Result: Sendable {
    case pending
    case written(node: UInt32)
    case found(String?, node: UInt32)
    case refused(String)
    case unknown(String)

    /// The node that answered, where it did what was asked.
    var servedBy: UInt32? {
      switch self {
      case .written(let node), .found(_, let node): node
      case .pending, .refused, .unknown: nil
      }
    }
  }

  struct Operation: Sendable {
    /// The place of its partition among those that are probed.
    var target: Int
    var key: Int
    var isPut: Bool
    var start: Instant
    var end: Instant
    var result = Result.pending
  }

  /// A run of the probe: keys of some partitions, new for each run.
  struct Plan: Sendable {
    var round: Int
    var partitions: [Int]
    /// By target: text that lies in its partition.
    var tags: [String]
    /// What is judged key by key should not be too much.
    static let keysPerPartition = 16

    init(round: Int, partitions: [Int], of count: Int) {
      self.round = round
      self.partitions = partitions
      tags = partitions.map { partition in
        (0...).lazy.map { "t\($0)" }.first {
          Ring.partition(of: Bytes(Array($0.utf8)), partitions: count).rawValue == partition
        } ?? ""
      }
    }

    func name(_ target: Int, _ key: Int) -> String { "probe-\(round)-\(key)-{\(tags[target])}" }
    func value(_ number: Int) -> String { "\(round).\(number)" }
  }

  private let loop: EventLoop
  private let settings: ClientSettings
  private var driver: ClientDriver?
  private var timer: LoopTimer?
  private var plan: Plan?
  private var keys: [[Bytes]] = []
  private var operations: [Operation] = []
  private var pending = 0
  private var began = Instant.zero
  private var onDone: (([Operation]) -> Void)?

  init(endpoints: [String]) throws {
    loop = try EventLoop()
    settings = try Client.settings(endpoints)
    _ = loop.start(name: "probe")
  }

  func start(_ plan: Plan) {
    _ = loop.post { self.begin(plan) }
  }

  /// What was done, once all of it has ended.
  func stop() async -> [Operation] {
    await withCheckedContinuation { continuation in
      let posted = loop.post { self.finish { continuation.resume(returning: $0) } }
      if !posted { continuation.resume(returning: []) }
    }
  }

  func close() {
    _ = loop.post {
      self.driver?.shutDown()
      self.loop.stop()
    }
  }

  // MARK: On the loop's thread

  private func begin(_ plan: Plan) {
    precondition(pending == 0, "\(pending) operations of the last run are pending")
    self.plan = plan
    keys = plan.partitions.indices.map { target in
      (0..<Plan.keysPerPartition).map { Bytes(Array(plan.name(target, $0).utf8)) }
    }
    operations = []
    operations.reserveCapacity(8192)
    if driver == nil {
      driver = ClientDriver(loop: loop, settings: settings, seed: UInt64(plan.round) &+ 7) {
        [unowned self] id, outcome in self.completed(Int(id.rawValue), outcome)
      }
    }
    began = SystemClock.instant()
    let timer = LoopTimer(loop: loop) { [unowned self] in self.tick() }
    timer.start(after: .milliseconds(1), every: .milliseconds(1))
    self.timer = timer
  }

  /// Begins what is due; where this thread was held up, what it has missed as well.
  private func tick() {
    let due = Int((SystemClock.instant() - began).milliseconds)
    while operations.count < due { issue() }
  }

  private func issue() {
    guard let plan, let driver else { return }
    let number = operations.count
    let target = number % plan.partitions.count
    let turn = number / plan.partitions.count
    // A key is written, then read, then the next.
    let key = turn / 2 % Plan.keysPerPartition
    let isPut = turn % 2 == 0
    let now = SystemClock.instant()
    operations.append(Operation(target: target, key: key, isPut: isPut, start: now, end: now))
    pending += 1
    var options = CallOptions()
    options.timeout = .seconds(5)
    let name = keys[target][key]
    if isPut {
      let value = Bytes(Array(plan.value(number).utf8))
      driver.call(
        CallID(UInt64(number)), .mutate(key: name, .put(value: value)),
        options: options)
    } else {
      options.consistency = .linearizable
      driver.call(CallID(UInt64(number)), .get(key: name), options: options)
    }
  }

  private func completed(_ number: Int, _ outcome: Outcome) {
    operations[number].end = SystemClock.instant()
    operations[number].result =
      switch outcome {
      case .applied(.written, let receipt): .written(node: receipt.node.rawValue)
      case .record(let record, let receipt):
        .found(
          record.map { String(decoding: $0.value.array, as: UTF8.self) },
          node: receipt.node.rawValue)
      case .rejected(let failure): .refused(failure.message)
      case .unknown(let failure): .unknown(failure.message)
      default: .unknown("the answer does not fit the request")
      }
    pending -= 1
    handOver()
  }

  private func finish(_ body: @escaping ([Operation]) -> Void) {
    timer?.close()
    timer = nil
    onDone = body
    handOver()
  }

  private func handOver() {
    guard pending == 0, let body = onDone else { return }
    onDone = nil
    let done = operations
    operations = []
    body(done)
  }
}
