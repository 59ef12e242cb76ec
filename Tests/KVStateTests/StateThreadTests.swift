import Foundation
import KVBase
import KVCommand
import KVRocks
import KVState
import Synchronization
import Testing

/// One thread applies, flushes come from a second, and a third reads.
@Suite struct StateThreadTests {
  private static let group = GroupID(1)

  /// A value is written to two keys at a time and only ever grows. While batches are applied and
  /// generations switch, a reader never sees it absent, smaller than before, or different in the
  /// two; and what a flush answers is never more than was applied.
  @Test(arguments: StoreKind.allCases)
  func readersSeeWholeBatchesOverSwitchesOfGeneration(_ kind: StoreKind) throws {
    switch kind {
    case .memory: try run(MemoryFixture())
    case .rocks: try run(RocksFixture())
    }
  }

  private func run<F: StoreFixture>(_ fixture: F) throws where F.Store: Sendable {
    let machines = StateMachines(store: fixture.store)
    try machines.createGroup(Self.group)
    let isDone = Flag()
    let increments = ["a", "b"].map {
      CommandBody.mutate(
        keyspace: .default, key: Bytes($0), .add(delta: 1, minimum: 0, maximum: .max))
    }
    var log = StateTestLog(Self.group)
    for increment in increments { log.append(increment) }
    _ = try machines.apply([log.request(after: .zero)])
    let firstEntries = log
    let counts = onThreads([
      {
        defer { isDone.raise() }
        return try Self.write(machines, firstEntries, increments)
      },
      { try Self.readUntil(isDone, machines) },
      {
        var flushes = 0
        while !isDone.isRaised {
          _ = try machines.flush()
          flushes += 1
          usleep(2_000)
        }
        return flushes
      },
    ])
    #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
    let flushed = try machines.flush()
    #expect(flushed.map(\.index) == [machines.status(of: Self.group)?.appliedIndex])
  }

  private static func write<S: StateStore>(
    _ machines: StateMachines<S>, _ firstEntries: StateTestLog, _ increments: [CommandBody]
  ) throws -> Int {
    var log = firstEntries
    var generation = firstGeneration
    for round in 1...1_500 {
      let before = log.lastIndex
      for increment in increments { log.append(increment) }
      _ = try machines.apply([log.request(after: before, generation: generation)])
      log.entries.removeFirst(log.entries.count - 1)
      guard round % 50 == 0 else { continue }
      generation = generation.next
      try machines.install(machines.snapshot(group), group, generation)
    }
    return 1_500
  }

  private static func readUntil<S: StateStore>(
    _ isDone: Flag, _ machines: StateMachines<S>
  ) throws -> Int {
    var highest: Int64 = 0
    var reads = 0
    while !isDone.isRaised || reads == 0 {
      let both = try machines.read(
        group, .multiGet(keyspace: .default, keys: ["a", "b"]), tier: .all)
      guard case .records(let records)? = both, let a = records[0], let b = records[1] else {
        Issue.record("\(String(describing: both)) behind \(highest)")
        return 0
      }
      let value = DecimalText.parse(a.value) ?? -1
      #expect(a.value == b.value && value >= highest)
      highest = max(highest, value)
      let one = try machines.read(group, .get(keyspace: .default, key: "a"), tier: .all)
      guard case .record(let record?)? = one else {
        Issue.record("\(String(describing: one)) behind \(highest)")
        return 0
      }
      let next = DecimalText.parse(record.value) ?? -1
      #expect(next >= highest)
      highest = max(highest, next)
      reads += 1
    }
    return reads
  }
}

private final class Flag: Sendable {
  private let raised = Atomic(false)
  func raise() { raised.store(true, ordering: .releasing) }
  var isRaised: Bool { raised.load(ordering: .acquiring) }
}

/// Runs each on a thread of its own and waits for all; -1 where one threw.
private func onThreads(_ bodies: [@Sendable () throws -> Int]) -> [Int] {
  let counts = Results(bodies.count)
  let group = DispatchGroup()
  for (place, body) in bodies.enumerated() {
    group.enter()
    Thread.detachNewThread {
      do {
        counts.set(place, to: try body())
      } catch {
        Issue.record("\(error)")
        counts.set(place, to: -1)
      }
      group.leave()
    }
  }
  group.wait()
  return counts.all
}

private final class Results: Sendable {
  private let values: Locked<[Int]>
  init(_ count: Int) { values = Locked([Int](repeating: 0, count: count)) }
  func set(_ place: Int, to value: Int) { values.withLock { $0[place] = value } }
  var all: [Int] { values.withLock { $0 } }
}
