internal import JepsenHistory
internal import KVBase
internal import Synchronization

/// Ends a load before its time.
final class StopFlag: Sendable {
  private let value = Atomic<Bool>(false)

  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

/// Clients that carry out a workload, each with one step at a time.
struct Load {
  var clients: Int
  /// Steps a second, of all clients together; 0: each begins the next when the last has ended.
  var rate: Int
  var timeout: Duration
  var seed: UInt64

  /// A client that has fallen so far behind its schedule drops what it missed: a burst would only
  /// show how long the queue had become.
  private static let mostLag = Duration.milliseconds(500)
  /// What reads in the end may take.
  private static let finalTimeout = Duration.seconds(10)

  /// One process number apart from those of the clients: for what is written before and read after.
  var stride: Int { clients + 1 }

  func caller(_ client: any SystemClient, _ number: Int, _ recorder: Recorder) -> Caller {
    Caller(
      client, number: number, of: stride, recorder: recorder,
      timeout: number == clients ? Self.finalTimeout : timeout,
      random: SeededRandom(seed: seed &* 1_000_003 &+ UInt64(number)))
  }

  /// Runs until the recorder's clock shows `end` (nanoseconds), the flag is set, or the recorder is
  /// full. What is in progress then is waited for.
  func run(
    _ workload: any Workload, _ connections: [any SystemClient], _ recorder: Recorder,
    until end: UInt64, _ stop: StopFlag
  ) async {
    precondition(connections.count == clients, "\(connections.count) of \(clients) clients")
    await withTaskGroup(of: Void.self) { group in
      for (number, client) in connections.enumerated() {
        group.addTask { await self.runOne(number, client, workload, recorder, end, stop) }
      }
    }
  }

  @concurrent
  private func runOne(
    _ number: Int, _ client: any SystemClient, _ workload: any Workload, _ recorder: Recorder,
    _ end: UInt64, _ stop: StopFlag
  ) async {
    let caller = caller(client, number, recorder)
    // A schedule of its own, so that what the workload draws does not change when it is due.
    var pacing = SeededRandom(seed: seed &* 7919 &+ UInt64(number))
    let interval = rate > 0 ? Duration.nanoseconds(1_000_000_000 * clients / rate) : .zero
    var next = ContinuousClock.now + interval * Double(pacing.below(1000)) / 1000
    while !stop.isSet, !recorder.isFull, recorder.unsupported == nil {
      if rate > 0 {
        let now = ContinuousClock.now
        if now < next {
          let left = UInt64(max(0, (next - now) / .nanoseconds(1)))
          // Nothing is begun after the end.
          if recorder.clock.now + left >= end { break }
          try? await Task.sleep(until: next)
        } else if now - next > Self.mostLag {
          next = now
        }
        // Between half and one and a half of the mean.
        next += interval * (0.5 + Double(pacing.below(1000)) / 1000)
      }
      if recorder.clock.now >= end { break }
      await workload.step(caller)
    }
  }
}
