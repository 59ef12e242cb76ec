internal import KVBase
internal import KVRaft
internal import KVState

/// The snapshot that a replica receives, if any.
///
/// It is: beginning (a new generation is being made), receiving (waiting for chunk `next`),
/// installing (a chunk is being written), finishing (the installation is being made durable),
/// resetting (the log record that makes it the replica's state is being written). Until it is
/// resetting, a higher offer or a silent sender ends it and nothing has changed; from then on
/// messages for the old log must not reach the core, and it always completes.
struct SnapshotReceiver: Sendable {
  private enum Phase: Sendable, Hashable {
    case beginning
    case receiving
    case installing(isLast: Bool)
    case finishing
    case resetting
  }

  private struct Incoming: Sendable {
    let id: TransferID
    /// The sender's id of the transfer.
    let remote: UInt64
    let from: ReplicaID
    let term: Term
    let index: LogIndex
    let snapshotTerm: Term
    let generation: Generation
    var phase = Phase.beginning
    var next: UInt64 = 0
    var status: GroupStatus?
    var lastHeard: Instant
  }

  /// An offer that is not being received.
  struct Offer: Sendable {
    var remote: UInt64
    var from: ReplicaID
    var term: Term
    var index: LogIndex
    var snapshotTerm: Term
  }

  enum OfferAnswer: Sendable {
    /// It is being received already, or another one is: nothing is to be done.
    case none
    /// Ask for the chunk that comes next: the answer to the first offer was lost.
    case requestNext
    /// The core is to say whether it is wanted.
    case askCore
  }

  private var incoming: Incoming?
  /// The highest generation ever begun here, finished or not.
  private(set) var highestGeneration: Generation

  init(generation: Generation) { highestGeneration = generation }

  var isResetting: Bool { incoming?.phase == .resetting }
  var isReceiving: Bool { incoming != nil }
  func isReceiving(_ id: TransferID) -> Bool { incoming?.id == id }

  // MARK: Messages of the sender

  mutating func offered(_ offer: Offer) -> OfferAnswer {
    guard let incoming else { return .askCore }
    let isSame =
      incoming.remote == offer.remote && incoming.from == offer.from
      && incoming.index == offer.index && incoming.term == offer.term
    guard incoming.phase == .receiving else { return .none }
    return isSame ? .requestNext : .askCore
  }

  /// The core wants it: begins a new generation.
  mutating func begin(
    _ offer: Offer, _ id: TransferID, group: GroupID, now: Instant, _ outputs: inout NodeOutputs
  ) {
    highestGeneration = highestGeneration.next
    incoming = Incoming(
      id: id, remote: offer.remote, from: offer.from, term: offer.term, index: offer.index,
      snapshotTerm: offer.snapshotTerm, generation: highestGeneration, lastHeard: now)
    outputs.snapshots.append(.beginInstall(id, group, highestGeneration))
  }

  /// What the core is to be told again with every chunk: word from the leader, even while nothing
  /// else comes from it. `nil`: this transfer is not known here, or nothing is to be done now.
  enum ChunkAnswer: Sendable {
    case unknownTransfer
    case none
    case confirm(Offer)
  }

  mutating func receivedChunk(
    _ remote: UInt64, from: ReplicaID, isUnderPressure: Bool, now: Instant
  ) -> ChunkAnswer {
    guard let present = incoming, present.remote == remote, present.from == from else {
      return .unknownTransfer
    }
    // A store that must catch up first takes no more: the chunk is sent again later.
    guard present.phase == .receiving, !isUnderPressure else { return .none }
    incoming?.lastHeard = now
    return .confirm(
      Offer(
        remote: remote, from: from, term: present.term, index: present.index,
        snapshotTerm: present.snapshotTerm))
  }

  /// The core still wants the snapshot: installs the chunk. False where it is not the next one, so
  /// that the next one is to be asked for.
  mutating func install(
    _ sequence: UInt64, isLast: Bool, _ bytes: Bytes, group: GroupID, _ outputs: inout NodeOutputs
  ) -> Bool {
    guard let present = incoming, sequence == present.next else { return false }
    incoming?.phase = .installing(isLast: isLast)
    outputs.snapshots.append(.installChunk(present.id, group, present.generation, bytes))
    return true
  }

  /// To whom the next chunk's number is to be sent.
  var nextRequest: (to: ReplicaID, message: SnapshotMessage)? {
    guard let incoming else { return nil }
    return (incoming.from, .request(transfer: incoming.remote, sequence: incoming.next))
  }

  // MARK: Steps of the installation

  /// A step is done without a problem. True where the next chunk is to be asked for.
  mutating func stepDone(group: GroupID, _ outputs: inout NodeOutputs) -> Bool {
    guard let present = incoming else { return false }
    switch present.phase {
    case .beginning:
      incoming?.phase = .receiving
      return true
    case .installing(let isLast):
      incoming?.next += 1
      incoming?.phase = isLast ? .finishing : .receiving
      guard isLast else { return true }
      outputs.snapshots.append(.finishInstall(present.id, group, present.generation))
      return false
    case .receiving, .finishing, .resetting: return false
    }
  }

  /// Whether what was installed is what was offered.
  func matches(_ status: GroupStatus) -> Bool { incoming?.index == status.appliedIndex }

  /// The log record that switches to the new generation is about to be written.
  mutating func reset(to status: GroupStatus) -> Generation? {
    incoming?.phase = .resetting
    incoming?.status = status
    return incoming?.generation
  }

  /// That record is durable: the replica is what the snapshot says.
  mutating func finishReset() -> (status: GroupStatus, from: ReplicaID, done: SnapshotMessage)? {
    guard let present = incoming, let status = present.status else { return nil }
    incoming = nil
    return (status, present.from, .done(transfer: present.remote, succeeded: true))
  }

  /// Ends it with nothing changed: what to tell the sender.
  mutating func abandon() -> (to: ReplicaID, message: SnapshotMessage)? {
    guard let present = incoming else { return nil }
    incoming = nil
    return (present.from, .done(transfer: present.remote, succeeded: false))
  }

  mutating func tick(now: Instant) {
    guard let incoming, incoming.phase == .receiving,
      now - incoming.lastHeard > SnapshotSenders.silenceLimit
    else { return }
    self.incoming = nil
  }
}
