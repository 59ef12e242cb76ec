package import Glibc
internal import KVBase

/// Proxies on the loopback interface, one for every directed link between the endpoints of a
/// cluster, so that each link can be cut, slowed or garbled by itself. All bytes pass through one
/// thread.
///
/// A rule from a to b governs the bytes that a sends to b, whoever opened the connection. When
/// `set` has returned, no byte is forwarded any more under the rule before it.
package final class Network: Sendable {
  private let core: NetworkCore
  private let thread: NetworkThread
  private let isClosed = Locked(false)
  private let finder = Locked<NetworkThread?>(nil)

  /// - Parameters:
  ///   - isFramed: streams are frames, each a big-endian `u32` length of what follows, and that:
  ///     then frames can be sent twice or in another order.
  ///   - seed: decides jitter, and which frames and bits are touched.
  package init(isFramed: Bool, seed: UInt64 = 1) throws {
    let core = try NetworkCore(isFramed: isFramed, seed: seed)
    self.core = core
    do {
      thread = try NetworkThread(name: "proxies") { core.run() }
    } catch {
      core.closeDescriptors()
      throw error
    }
  }

  deinit { close() }

  /// A port on 127.0.0.1 at which `from` reaches `to`, which listens on `target`.
  package func openLink(from: Endpoint, to: Endpoint, target: UInt16) throws -> UInt16 {
    let made = try Descriptor.listen()
    let listener = Listener(descriptor: made.descriptor, to: to, target: target, from: from)
    try core.board.withLock { board throws(NetworkError) in try board.listen(listener) }
    return made.port
  }

  /// A port on 127.0.0.1 at which everybody reaches `to`. Who opened a connection is told by the
  /// process that holds its other end: an endpoint by `source`, or else `.clients`.
  ///
  /// - Parameters:
  ///   - candidates: the processes to look at; by default all that may be looked at.
  ///   - source: called on a thread of the proxies' own.
  package func openLinkIdentifyingSource(
    to: Endpoint, target: UInt16,
    candidates: @escaping @Sendable () -> [pid_t] = { SourceSearch.allProcesses() },
    source: @escaping @Sendable (pid_t) -> Endpoint?
  ) throws -> UInt16 {
    try startFinder()
    let made = try Descriptor.listen()
    let search = SourceSearch(bell: core.finderBell, candidates: candidates, source: source)
    let listener = Listener(
      descriptor: made.descriptor, to: to, target: target, from: nil, search: search)
    try core.board.withLock { board throws(NetworkError) in try board.listen(listener) }
    return made.port
  }

  private func startFinder() throws {
    let core = core
    try isClosed.withLock { isClosed in
      guard !isClosed else { throw NetworkError("the network is closed") }
      try finder.withLock { finder in
        if finder == nil { finder = try NetworkThread(name: "proxy-sources") { core.runFinder() } }
      }
    }
  }

  /// Takes effect at once, for all bytes that are not yet forwarded. Frames that were doubled,
  /// moved or garbled before, and wait, stay so.
  package func set(_ rule: LinkRule, from: Endpoint, to: Endpoint) {
    let name = LinkName(from: from, to: to)
    core.board.withLock { $0.set(rule, for: name, now: monotonicNanoseconds()) }
  }

  package func rule(from: Endpoint, to: Endpoint) -> LinkRule {
    let name = LinkName(from: from, to: to)
    return core.board.withLock { $0.link(name).rule }
  }

  package func counters(from: Endpoint, to: Endpoint) -> LinkCounters {
    let name = LinkName(from: from, to: to)
    return core.board.withLock { $0.link(name).counters }
  }

  /// Connections that are open now.
  package var openConnections: Int { core.board.withLock { $0.openConnections } }

  /// Resets all connections, and ends the thread. Counters can still be read.
  package func close() {
    isClosed.withLock { isClosed in
      guard !isClosed else { return }
      isClosed = true
      core.board.withLock { $0.close() }
      core.stop()
      thread.join()
      finder.withLock { $0?.join() }
      core.closeDescriptors()
    }
  }
}
