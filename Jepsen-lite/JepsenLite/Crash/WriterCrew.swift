internal import KVBase
internal import KVClient
internal import Synchronization

/// Clients that write and read in the background, each with one operation at a time, through the
/// client library.
final class WriterCrew {
  private static let keysPerClient = 64
  private static let counters = 16

  private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
  }

  private struct Pace: Sendable {
    var interval: Duration
    var valueBytes: Int
    var seed: UInt64
  }

  private let clients: [Client]
  private(set) var ledgers: [WriterLedger]
  private let pace: Pace
  private var starts: UInt64 = 0
  private var tasks: [Task<WriterLedger, Never>] = []
  private var stopping = Flag()

  init(_ arguments: CrashArguments, endpoints: [String]) throws {
    clients = try (0..<arguments.clients).map { _ in try Client(endpoints: endpoints) }
    ledgers = (0..<arguments.clients).map {
      WriterLedger(client: $0, keys: Self.keysPerClient, counters: Self.counters)
    }
    pace = Pace(
      interval: .microseconds(1_000_000 / arguments.rate), valueBytes: arguments.valueBytes,
      seed: arguments.seed)
  }

  func start() {
    precondition(tasks.isEmpty, "\(tasks.count) writers run already")
    stopping = Flag()
    starts += 1
    for (client, ledger) in zip(clients, ledgers) {
      let seed = pace.seed &* 1_000_003 &+ starts &* 257 &+ UInt64(ledger.client)
      tasks.append(Self.begin(client, ledger, pace, SeededRandom(seed: seed), stopping))
    }
  }

  private static func begin(
    _ client: Client, _ ledger: WriterLedger, _ pace: Pace, _ random: SeededRandom, _ stop: Flag
  ) -> Task<WriterLedger, Never> {
    Task.detached { await run(client, ledger, pace, random, stop) }
  }

  /// Lets what is in flight end.
  func stop() async {
    stopping.set()
    var ended: [WriterLedger] = []
    for task in tasks { ended.append(await task.value) }
    if !ended.isEmpty { ledgers = ended }
    tasks = []
  }

  func close() async {
    for client in clients { await client.close() }
  }

  var operations: Int { ledgers.reduce(0) { $0 + $1.operations } }
  var acknowledged: Int { ledgers.reduce(0) { $0 + $1.acknowledged } }
  var reads: Int { ledgers.reduce(0) { $0 + $1.reads } }
  var refused: Int { ledgers.reduce(0) { $0 + $1.refused } }
  var unknown: Int { ledgers.reduce(0) { $0 + $1.unknown } }
  var violations: [String] { ledgers.flatMap(\.violations) }
  var failures: [String] { ledgers.flatMap(\.failures) }

  // MARK: One client

  @concurrent
  private static func run(
    _ client: Client, _ before: WriterLedger, _ pace: Pace, _ seeded: SeededRandom, _ stop: Flag
  ) async -> WriterLedger {
    var ledger = before
    var random = seeded
    // Not all at the same time.
    var next =
      ContinuousClock.now + pace.interval * Int(random.below(100)) / 100
    while !stop.isSet {
      let now = ContinuousClock.now
      if now < next { try? await Task.sleep(until: next) } else { next = now }
      next += pace.interval
      switch random.below(10) {
      case 0..<5: await put(client, &ledger, pace, &random)
      case 5..<7: await get(client, &ledger, Int(random.below(UInt64(keysPerClient))))
      default: await add(client, &ledger, Int(random.below(UInt64(counters))))
      }
    }
    return ledger
  }

  private static func put(
    _ client: Client, _ ledger: inout WriterLedger, _ pace: Pace, _ random: inout SeededRandom
  ) async {
    let key = Int(random.below(UInt64(keysPerClient)))
    let sequence = ledger.nextSequence()
    let known = ledger.keys[key]
    var condition = Condition.always
    if known.unknown.isEmpty, random.chance(1, in: 2) {
      condition = known.acknowledged == 0 ? .absent : .version(known.version)
    }
    do {
      let written = try await client.put(
        ledger.name(ofKey: key), ledger.value(sequence, bytes: pace.valueBytes), if: condition)
      ledger.wrote(key, sequence, version: written.version)
    } catch {
      if error.kind == .conditionFailed {
        ledger.conditionFailed(key, sequence, found: error.currentVersion)
      } else {
        ledger.failed("put", error, key: key)
      }
    }
  }

  private static func add(_ client: Client, _ ledger: inout WriterLedger, _ counter: Int) async {
    do {
      let sum = try await client.add(WriterLedger.name(ofCounter: counter)).value
      ledger.added(counter, sum: sum)
    } catch {
      ledger.failed("add", error, counter: counter)
    }
  }

  private static func get(_ client: Client, _ ledger: inout WriterLedger, _ key: Int) async {
    do {
      ledger.found(key, try await client.get(ledger.name(ofKey: key)))
    } catch {
      ledger.readFailed("get", error)
    }
  }

  // MARK: Reading back

  /// Reads every key and counter with a client of its own and holds them against what was
  /// acknowledged. Only while the writers are stopped.
  func readBack(endpoints: [String]) async throws -> [String] {
    precondition(tasks.isEmpty, "\(tasks.count) writers run while their keys are read back")
    let reader = try Client(endpoints: endpoints)
    let options = Options(timeout: .seconds(20))
    var problems: [String] = []
    for client in ledgers.indices {
      let before = ledgers[client].violations.count
      for key in ledgers[client].keys.indices {
        do {
          let value = try await reader.get(ledgers[client].name(ofKey: key), options: options)
          ledgers[client].found(key, value)
        } catch {
          problems.append("\(ledgers[client].name(ofKey: key)) can't be read: \(error.message)")
        }
      }
      problems += ledgers[client].violations[before...]
    }
    for counter in 0..<Self.counters {
      do {
        let value = try await reader.get(WriterLedger.name(ofCounter: counter), options: options)
        let final = value.map { Int64($0.text ?? "") ?? -1 } ?? 0
        problems += WriterLedger.problems(withCounter: counter, final: final, ledgers)
      } catch {
        problems.append("\(WriterLedger.name(ofCounter: counter)) can't be read: \(error.message)")
      }
    }
    await reader.close()
    return problems
  }
}
