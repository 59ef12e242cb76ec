internal import Glibc
internal import KVBase
internal import Synchronization

/// What the threads share.
final class NetworkCore: Sendable {
  let poller: Poller
  let board: Locked<Switchboard>
  let finderBell: Bell
  private let isStopping = Atomic<Bool>(false)

  init(isFramed: Bool, seed: UInt64) throws(NetworkError) {
    let poller = try Poller()
    self.poller = poller
    do {
      finderBell = try Bell()
    } catch {
      poller.close()
      throw error
    }
    board = Locked(
      Switchboard(poller: poller, isFramed: isFramed, seed: seed), isFair: true)
  }

  /// The proxies' thread.
  func run() {
    var ready: [Readiness] = []
    ready.reserveCapacity(NetworkLimits.readyPerTurn)
    while !isStopping.load(ordering: .acquiring) {
      poller.wait(into: &ready)
      board.withLock { [ready] in $0.turn(ready, now: monotonicNanoseconds()) }
    }
  }

  /// The thread that finds out whose a connection is: that reads tables of the system, for which
  /// bytes must not wait.
  func runFinder() {
    while true {
      finderBell.wait()
      if isStopping.load(ordering: .acquiring) { return }
      let all = board.withLock { board in
        defer { board.unidentified.removeAll() }
        return board.unidentified
      }
      find(all)
    }
  }

  /// The system's table of connections is not read at one instant, and a process may be younger
  /// than what is known of it: whoever is not found is looked for again before it counts as a
  /// client, since a node's connection would else get past every rule.
  private func find(_ all: [UnidentifiedConnection]) {
    var left = all
    for turn in 1...NetworkLimits.sourceSearches where !left.isEmpty {
      let isLast = turn == NetworkLimits.sourceSearches
      var unknown: [UnidentifiedConnection] = []
      for (connection, endpoint) in SourceSearch.endpoints(of: left) {
        guard let endpoint = endpoint ?? (isLast ? .clients : nil) else {
          unknown.append(connection)
          continue
        }
        board.withLock { board in
          guard let found = board.connection(connection.id) else { return }
          board.identified(found, from: endpoint, to: connection.to, now: monotonicNanoseconds())
        }
      }
      left = unknown
      guard !left.isEmpty, !isStopping.load(ordering: .acquiring) else { return }
      usleep(NetworkLimits.sourceSearchMicroseconds)
    }
  }

  func stop() {
    isStopping.store(true, ordering: .releasing)
    poller.ring()
    finderBell.ring()
  }

  /// To be called once, when no thread uses them any more.
  func closeDescriptors() {
    board.withLock { $0.close() }
    poller.close()
    finderBell.close()
  }
}
