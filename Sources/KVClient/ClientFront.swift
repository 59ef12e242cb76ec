internal import KVBase
internal import KVClientCore
internal import KVLoop
internal import KVWire
internal import Synchronization

/// Stands between tasks and the loop's thread: it keeps the continuation of each call. Everything
/// but `init` and `nextID` is for the loop's thread.
final class ClientFront: @unchecked Sendable {
  private let lastID = Atomic<UInt64>(0)
  private let loop: EventLoop
  private let settings: ClientSettings
  private let seed: UInt64
  private var driver: ClientDriver?
  private var isClosed = false
  private var waiting: [UInt64: CheckedContinuation<Outcome, Never>] = [:]

  init(loop: EventLoop, settings: ClientSettings, seed: UInt64) {
    self.loop = loop
    self.settings = settings
    self.seed = seed
  }

  func nextID() -> UInt64 { lastID.add(1, ordering: .relaxed).newValue }

  func begin(
    _ id: UInt64, _ operation: ClientOperation, _ options: CallOptions,
    _ continuation: CheckedContinuation<Outcome, Never>
  ) {
    guard !isClosed else {
      continuation.resume(returning: Self.refusal("the client was closed"))
      return
    }
    waiting[id] = continuation
    let driver = self.driver ?? makeDriver()
    driver.call(CallID(id), operation, options: options)
  }

  private func makeDriver() -> ClientDriver {
    let made = ClientDriver(loop: loop, settings: settings, seed: seed) { [weak self] id, outcome in
      self?.waiting.removeValue(forKey: id.rawValue)?.resume(returning: outcome)
    }
    driver = made
    return made
  }

  func cancel(_ id: UInt64) {
    if waiting[id] != nil { driver?.cancel(CallID(id)) }
  }

  /// `done` is called when everything is closed.
  func close(_ done: @escaping () -> Void = {}) {
    isClosed = true
    guard let driver else { return done() }
    self.driver = nil
    // Kept until then by what it waits for.
    driver.close {
      _ = driver; done()
    }
  }

  static let overloaded = Outcome.rejected(
    Failure(
      .resourceExhausted, .overloaded, notStarted: true,
      "too many calls wait for the client's thread: wait for some of them"))

  private static func refusal(_ message: String) -> Outcome {
    .rejected(Failure(.cancelled, .none, notStarted: true, message))
  }
}
