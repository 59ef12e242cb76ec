import KVBase

@testable import KVRaft

/// A group over a simulated network and simulated disks: one thread, one clock, one seed.
///
/// Everything that Raft guarantees of a group is checked after every step (`Cluster+Checks.swift`);
/// what is broken is collected in `findings`.
final class Cluster {
  struct Options {
    var latency: ClosedRange<UInt64> = 1...1  // milliseconds
    var disk: ClosedRange<UInt64> = 1...1
    var dropPercent: UInt64 = 0
    var duplicatePercent: UInt64 = 0
    var settings = RaftSettings()
    /// Compacts each log to this many entries before what is applied; 0: never.
    var keepEntries = 0
    var maxApplyBytes = 1 << 20
    var checkEvery = 8
  }

  enum Event {
    case deliver(RaftMessage, from: ReplicaID, to: ReplicaID)
    case synced(ReplicaID, boot: Int, number: Int)
    case wake(ReplicaID, boot: Int)
    case logRead(ReplicaID, boot: Int, from: LogIndex, entries: [LogEntry]?)
    case snapshotArrives(Snapshot)
    case snapshotInstalls(Snapshot, boot: Int)
    case snapshotEnds(Snapshot, index: LogIndex?)
    case action(Int)
  }

  struct Snapshot {
    var from: ReplicaID
    var to: ReplicaID
    var term: Term
    var index: LogIndex
    var indexTerm: Term
    var configuration: GroupConfiguration
    var senderBoot: Int
  }

  private struct Scheduled {
    var at: Instant
    var number: Int
    var event: Event
  }

  let options: Options
  var random: SeededRandom
  private(set) var now = Instant.zero
  var hosts: [Host] = []
  var blocked: Set<[ReplicaID]> = []
  private var heap: [Scheduled] = []
  private var scheduledCount = 0
  private var actions: [() -> Void] = []
  var stepCount = 0

  // What the checks remember.
  var findings: [String] = []
  var leaders: [Term: ReplicaID] = [:]
  /// Committed entries as first seen, by index.
  var committed: [LogEntry] = []
  var highestCommit: LogIndex { LogIndex(UInt64(committed.count)) }
  /// The state's hash after each index.
  var stateHashes: [UInt64] = [0]
  /// When each of them was first applied anywhere.
  var commitTimes: [Instant] = []
  var agesStated = 0
  var readsServed = 0
  var leaseReadsServed = 0
  var transcript: Transcript?
  #if PlantedFaults
    var plantedFault: PlantedFault?
  #endif

  init(
    _ configuration: GroupConfiguration, spares: [ReplicaID] = [], seed: UInt64 = 1,
    options: Options = Options()
  ) {
    self.options = options
    random = SeededRandom(seed: seed)
    for id in configuration.members {
      hosts.append(Host(id: id, configuration: configuration))
    }
    // A replica that is yet to be added knows nothing.
    for id in spares {
      hosts.append(Host(id: id, configuration: GroupConfiguration(voters: [])))
    }
  }

  func startAll() { for position in hosts.indices { start(position) } }

  func position(_ id: ReplicaID) -> Int {
    guard let position = hosts.firstIndex(where: { $0.id == id }) else {
      preconditionFailure("no host \(id)")
    }
    return position
  }

  // MARK: Time

  func schedule(_ event: Event, at: Instant) {
    scheduledCount += 1
    heap.append(Scheduled(at: max(at, now), number: scheduledCount, event: event))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard before(heap[child], heap[parent]) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private func before(_ a: Scheduled, _ b: Scheduled) -> Bool {
    a.at != b.at ? a.at < b.at : a.number < b.number
  }

  private func popNext() -> Scheduled? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && before(heap[child], heap[least]) { least = child }
      if least == parent { break }
      heap.swapAt(parent, least)
      parent = least
    }
    return first
  }

  func at(_ instant: Instant, _ action: @escaping () -> Void) {
    actions.append(action)
    schedule(.action(actions.count - 1), at: instant)
  }

  /// Runs for a while.
  func run(milliseconds: UInt64) {
    let end = now + .milliseconds(milliseconds)
    while let next = heap.first, next.at <= end, findings.isEmpty { step() }
    now = max(now, end)
  }

  /// Runs until `condition` holds; false where it doesn't within the time.
  func run(within milliseconds: UInt64, until condition: () -> Bool) -> Bool {
    let end = now + .milliseconds(milliseconds)
    while !condition() {
      guard let next = heap.first, next.at <= end, findings.isEmpty else { return false }
      step()
    }
    return true
  }

  private func step() {
    guard let next = popNext() else { return }
    now = max(now, next.at)
    stepCount += 1
    carryOut(next.event)
  }

  private func carryOut(_ event: Event) {
    switch event {
    case .action(let number): actions[number]()
    case .deliver(let message, let from, let to):
      let host = position(to)
      guard isRunning(host, else: event) else { return }
      transcript?.note(now, "\(from) > \(to)  \(Transcript.describe(message))")
      input(host) { $0.receive(message, from: from, now: self.now, into: &$1) }
    case .wake(let id, let boot):
      let host = position(id)
      guard isRunning(host, boot: boot, else: event) else { return }
      hosts[host].wakeAt = .distantFuture
      input(host) { $0.tick(now: self.now, into: &$1) }
    case .synced(let id, let boot, let number):
      let host = position(id)
      guard isRunning(host, boot: boot, else: event) else { return }
      synced(host, through: number)
    case .logRead(let id, let boot, let from, let entries):
      let host = position(id)
      guard isRunning(host, boot: boot, else: event) else { return }
      input(host) { $0.logRead(from: from, entries: entries, now: self.now, into: &$1) }
    case .snapshotArrives(let snapshot): snapshotArrives(snapshot)
    case .snapshotInstalls(let snapshot, let boot): snapshotInstalls(snapshot, boot: boot)
    case .snapshotEnds(let snapshot, let index):
      let host = position(snapshot.from)
      guard isRunning(host, boot: snapshot.senderBoot, else: event) else { return }
      input(host) {
        $0.snapshotFinished(to: snapshot.to, index: index, now: self.now, into: &$1)
      }
    }
  }

  /// A paused replica gets what is meant for it when it goes on.
  func isRunning(_ host: Int, boot: Int? = nil, else event: Event) -> Bool {
    guard hosts[host].core != nil, boot == nil || boot == hosts[host].boot else { return false }
    if hosts[host].pausedUntil > now {
      schedule(event, at: hosts[host].pausedUntil)
      return false
    }
    return true
  }

  // MARK: One turn of a replica

  func input(_ host: Int, _ body: (inout RaftCore, inout RaftOutputs) -> Void) {
    guard var core = hosts[host].core else { return }
    hosts[host].core = nil
    var outputs = RaftOutputs()
    let before = (core.role, core.term, core.leader)
    body(&core, &outputs)
    core.flush(now: now, into: &outputs)
    hosts[host].core = core
    if (core.role, core.term, core.leader) != before {
      transcript?.note(
        now,
        "\(hosts[host].id) is \(core.role), term \(core.term), leader "
          + (core.leader.map { "\($0)" } ?? "unknown"))
      if !outputs.roleChanged { findings.append("\(hosts[host].id): a silent change of role") }
    }
    carryOut(outputs, of: host)
    apply(host)
    if stepCount % options.checkEvery == 0 { hosts[host].core?.checkInvariants() }
    check(host, after: outputs)
    arm(host)
  }

  private func carryOut(_ outputs: RaftOutputs, of host: Int) {
    for persist in outputs.persists { write(.persist(persist), on: host) }
    for send in outputs.sends {
      if let after = send.after, after > hosts[host].completed {
        hosts[host].held.append(send)
      } else {
        transmit(send.message, from: hosts[host].id, to: send.to)
      }
    }
    for read in outputs.readLogs {
      let entries = hosts[host].written.read(
        from: read.from, through: read.through, maxBytes: read.maxBytes)
      schedule(
        .logRead(hosts[host].id, boot: hosts[host].boot, from: read.from, entries: entries),
        at: now + diskDelay())
    }
    for target in outputs.snapshotsNeeded { beginSnapshot(from: host, to: target) }
  }

  private func arm(_ host: Int) {
    guard let core = hosts[host].core else { return }
    let deadline = core.nextDeadline
    guard deadline < hosts[host].wakeAt, deadline != .distantFuture else { return }
    hosts[host].wakeAt = deadline
    schedule(.wake(hosts[host].id, boot: hosts[host].boot), at: deadline)
  }

  // MARK: Network

  func transmit(_ message: RaftMessage, from: ReplicaID, to: ReplicaID) {
    guard hosts.contains(where: { $0.id == to }), !blocked.contains([from, to]) else { return }
    if options.dropPercent > 0, random.chance(options.dropPercent, in: 100) { return }
    schedule(.deliver(message, from: from, to: to), at: now + latency())
    if options.duplicatePercent > 0, random.chance(options.duplicatePercent, in: 100) {
      schedule(.deliver(message, from: from, to: to), at: now + latency() * 5)
    }
  }

  func latency() -> TimeAmount { pick(options.latency) }
  func diskDelay() -> TimeAmount { pick(options.disk) }

  private func pick(_ range: ClosedRange<UInt64>) -> TimeAmount {
    guard range.lowerBound < range.upperBound else { return .milliseconds(range.lowerBound) }
    return random.amount(
      from: .milliseconds(range.lowerBound), to: .milliseconds(range.upperBound))
  }

  func block(_ from: UInt32, _ to: UInt32) { blocked.insert([r(from), r(to)]) }

  func isolate(_ node: UInt32) {
    for host in hosts where host.id != r(node) {
      blocked.insert([r(node), host.id])
      blocked.insert([host.id, r(node)])
    }
  }

  func heal() { blocked.removeAll() }
}
