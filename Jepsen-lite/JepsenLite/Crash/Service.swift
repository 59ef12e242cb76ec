internal import KVBase
internal import KVClient
internal import KVLoop
internal import Synchronization

/// Clients of one node that must be served whatever else happens: one on a connection that it has,
/// and new ones again and again.
final class Service {
  struct Lap: Sendable {
    var established: [UInt64] = []
    var fresh: [UInt64] = []
    var failures: [String] = []

    mutating func add(_ other: Lap) {
      established += other.established
      fresh += other.fresh
      failures += other.failures
    }
  }

  private final class State: Sendable {
    let isOver = Atomic<Bool>(false)
    let lap = Locked(Lap())
  }

  private let endpoint: String
  private let keys: [String]
  private let state = State()
  private var tasks: [Task<Void, Never>] = []

  init(endpoint: String, keys: [String]) {
    self.endpoint = endpoint
    self.keys = keys
  }

  func start() throws {
    let established = try Client(endpoints: [endpoint])
    tasks.append(Self.keepServing(established, keys, state))
    tasks.append(Self.keepComing(endpoint, keys, state))
  }

  private static func keepServing(
    _ client: Client, _ keys: [String], _ state: State
  ) -> Task<Void, Never> {
    Task.detached {
      var turn = 0
      while !state.isOver.load(ordering: .relaxed) {
        await serve(client, keys[turn % keys.count], state, isFresh: false)
        turn += 1
        try? await Task.sleep(for: .milliseconds(10))
      }
      await client.close()
    }
  }

  private static func keepComing(
    _ endpoint: String, _ keys: [String], _ state: State
  ) -> Task<Void, Never> {
    Task.detached {
      var turn = 0
      while !state.isOver.load(ordering: .relaxed) {
        if let fresh = try? Client(endpoints: [endpoint]) {
          await serve(fresh, keys[turn % keys.count], state, isFresh: true)
          await fresh.close()
        }
        turn += 1
        try? await Task.sleep(for: .milliseconds(100))
      }
    }
  }

  private static func serve(
    _ client: Client, _ key: String, _ state: State, isFresh: Bool
  ) async {
    let began = SystemClock.instant()
    do {
      let options = Options(timeout: .seconds(3))
      try await client.put(key, "served", options: options)
      _ = try await client.get(key, options: options)
      let elapsed = (SystemClock.instant() - began).nanoseconds
      state.lap.withLock { isFresh ? $0.fresh.append(elapsed) : $0.established.append(elapsed) }
    } catch {
      state.lap.withLock {
        $0.failures.append("\(isFresh ? "a new" : "the established") client: \(error.message)")
      }
    }
  }

  /// What was served since the last lap.
  func lap() async -> Lap {
    state.lap.withLock { lap in
      let done = lap
      lap = Lap()
      return done
    }
  }

  func stop() async {
    state.isOver.store(true, ordering: .relaxed)
    for task in tasks { await task.value }
    tasks = []
  }
}

extension CrashReport {
  /// - Parameter servesNew: new clients have to be served, and not only those that are connected.
  mutating func add(
    _ lap: Service.Lap, _ phase: String, servesNew: Bool, fewest: Int = 10
  ) {
    times("put and get, connected", "\(phase)_established", lap.established)
    times("put and get, new client", "\(phase)_new_client", lap.fresh)
    if lap.established.count < fewest * 10 || (servesNew && lap.fresh.count < fewest) {
      violated(
        "\(phase): \(lap.established.count) operations on an established connection and "
          + "\(lap.fresh.count) new clients were served: too few")
    }
    let failures = lap.failures.filter { servesNew || $0.contains("the established") }
    if !failures.isEmpty {
      violated("\(phase): \(failures.count) clients were not served: \(failures[0])")
    }
  }
}
