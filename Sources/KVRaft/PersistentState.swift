internal import KVBase

/// What a replica must not forget (Raft paper figure 2, "persistent state on all servers"): term
/// and vote, and the log with its configurations.
///
/// Every change goes through this type, which therefore knows what the next persist must carry, and
/// what a message that vouches for some of it must wait for (`durability`). Nothing here decides
/// anything.
///
/// Invariants: the term is at least that of every entry; the tail in memory reaches back to the
/// first entry that is not durable; the configuration in force is that of the log's last
/// configuration entry.
struct PersistentState: Sendable {
  private let id: ReplicaID
  private(set) var hardState: HardState
  private(set) var log: RaftLog
  private(set) var durability: Durability
  /// The highest log time seen.
  private(set) var logTime: UInt64
  /// The configuration in force, the index of its entry, and whether this replica votes in it: kept
  /// beside the log, since they are asked for much more often than they change.
  private(set) var configuration: GroupConfiguration
  private(set) var configurationIndex: LogIndex
  private(set) var isVoter: Bool
  /// The entries of one message, all of which were new: the next persist carries the same array.
  private var received: [LogEntry] = []

  init(_ recovery: RaftRecovery, id: ReplicaID) {
    self.id = id
    hardState = recovery.hardState
    log = RaftLog(recovery.outline)
    durability = Durability(stableIndex: recovery.outline.lastIndex)
    logTime = recovery.logTimeMilliseconds
    let present = recovery.outline.configuration
    configuration = present.configuration
    configurationIndex = present.index
    isVoter = present.configuration.isVoter(id)
  }

  var term: Term { hardState.term }
  /// The last entry that is durable here.
  var stableIndex: LogIndex { durability.stableIndex }

  // MARK: Term and vote

  /// A term never goes back, and a vote in it never changes (Raft paper §5.2).
  mutating func enter(_ term: Term, votingFor vote: ReplicaID? = nil) {
    precondition(term > hardState.term, "term \(term) entered after \(hardState.term)")
    hardState = HardState(term: term, vote: vote)
    durability.hardStateChanged()
  }

  mutating func vote(for candidate: ReplicaID) {
    guard hardState.vote != candidate else { return }
    precondition(
      hardState.vote == nil, "a second vote in term \(hardState.term), for \(candidate)")
    hardState.vote = candidate
    durability.hardStateChanged()
  }

  // MARK: The log

  /// As leader: appends an entry of the present term, stamped.
  mutating func appendOwn(
    _ kind: EntryKind, payload: Bytes, wallMilliseconds: UInt64,
    configuration: GroupConfiguration? = nil
  ) -> LogIndex {
    logTime = max(logTime, wallMilliseconds)
    let index = log.lastIndex.next
    log.append(
      LogEntry(
        index: index, term: term, kind: kind, logTimeMilliseconds: logTime, payload: payload),
      configuration: configuration)
    durability.appended(from: index)
    if configuration != nil { refreshConfiguration() }
    return index
  }

  enum Merge: Sendable {
    case done
    /// The log has an entry of another term there, which is committed: one of the two leaders broke
    /// Raft's rules.
    case conflict(LogIndex, committedTerm: Term, receivedTerm: Term)
  }

  /// As follower: appends what is new of a well-formed message of the leader. What is already there
  /// stays: a message may be old, and entries after its last one may have been acknowledged. Only
  /// an entry of another term removes anything.
  mutating func merge(
    _ entries: [LogEntry], commitIndex: LogIndex, into outputs: inout RaftOutputs
  ) -> Merge {
    var position = 0
    while position < entries.count {
      let index = entries[position].index
      if let term = log.term(at: index) {
        if term != entries[position].term {
          guard index > commitIndex else {
            return .conflict(index, committedTerm: term, receivedTerm: entries[position].term)
          }
          truncate(after: index.previous, into: &outputs)
          break
        }
      } else if index > log.lastIndex {
        break
      }
      position += 1
    }
    guard position < entries.count else { return .done }
    received = position == 0 && durability.dirtyFrom == nil ? entries : []
    durability.appended(from: entries[position].index)
    while position < entries.count {
      append(entries[position], into: &outputs)
      position += 1
    }
    return .done
  }

  private mutating func append(_ entry: consuming LogEntry, into outputs: inout RaftOutputs) {
    logTime = max(logTime, entry.logTimeMilliseconds)
    guard entry.kind == .configuration else {
      log.append(entry)
      return
    }
    let configuration = GroupConfiguration.decode(entry.payload)
    log.append(entry, configuration: configuration)
    if configuration != nil { configurationChanged(into: &outputs) }
  }

  mutating func truncate(after index: LogIndex, into outputs: inout RaftOutputs) {
    received = []
    durability.truncated(after: index)
    if log.truncate(after: index) { configurationChanged(into: &outputs) }
  }

  /// A follower may become a learner by it, or the other way round.
  private mutating func configurationChanged(into outputs: inout RaftOutputs) {
    let wasVoter = isVoter
    refreshConfiguration()
    outputs.configurationChanged = true
    if isVoter != wasVoter { outputs.roleChanged = true }
  }

  private mutating func refreshConfiguration() {
    let present = log.outline.configuration
    configuration = present.configuration
    configurationIndex = present.index
    isVoter = present.configuration.isVoter(id)
  }

  /// A snapshot was installed, durably: the log begins after it.
  mutating func install(index: LogIndex, term: Term, configuration: GroupConfiguration) {
    received = []
    log.reset(index: index, term: term, configuration: configuration)
    durability.reset(to: index)
    refreshConfiguration()
  }

  /// The state has reached that log time: that of entries which this process has not seen.
  mutating func note(logTime: UInt64) { self.logTime = max(self.logTime, logTime) }

  /// The store no longer keeps entries up to and including `index`.
  mutating func compact(through index: LogIndex) { log.compact(through: index) }

  /// Keeps the memory bounded. What is not durable stays; what is not applied stays while there is
  /// room for it.
  mutating func evict(applied: LogIndex, settings: RaftSettings) {
    log.evict(through: min(applied, stableIndex), maxBytes: settings.tailBytes)
    let unapplied = min(settings.unappliedTailBytes, settings.uncommittedBytes)
    log.evict(through: stableIndex, maxBytes: settings.tailBytes + unapplied)
  }

  // MARK: Durability

  /// Emits what changed since the last persist, if anything did; the entries in it.
  mutating func emitPersist(into outputs: inout RaftOutputs) -> EntryBatch {
    guard durability.isDirty else { return EntryBatch() }
    var entries = changedEntries
    received = []
    if let from = durability.dirtyFrom { log.detach(&entries, from: from) }
    let batch = EntryBatch(entries)
    let changed = durability.isHardStateDirty ? hardState : nil
    let token = durability.emitted(lastIndex: log.lastIndex)
    outputs.persists.append(.init(token: token, hardState: changed, entries: batch.entries))
    return batch
  }

  private var changedEntries: [LogEntry] {
    guard let from = durability.dirtyFrom else { return [] }
    if !received.isEmpty, received[0].index == from,
      received[received.count - 1].index == log.lastIndex
    {
      return received
    }
    return log.entries(from: from, through: log.lastIndex, maxBytes: .max)
  }

  /// Everything up to and including `token` is durable. True where the stable index rose.
  mutating func complete(_ token: PersistToken) -> Bool { durability.complete(token) }

  /// What must always be true of it; `nil` where it is.
  var brokenInvariant: String? {
    if log.lastTerm > term { return "an entry of term \(log.lastTerm)" }
    if let broken = log.brokenInvariant { return broken }
    if let broken = durability.brokenInvariant(lastIndex: log.lastIndex) { return broken }
    if log.tailFirst > stableIndex.next {
      return "tail from \(log.tailFirst), stable \(stableIndex)"
    }
    if log.outline.configuration
      != IndexedConfiguration(index: configurationIndex, configuration: configuration)
    {
      return "the configuration of \(configurationIndex) is not that in force"
    }
    return nil
  }
}
