internal import KVBase
internal import Synchronization

/// A segment that is in use.
struct Segment<File: SegmentFile>: Sendable {
  var sequence: UInt64
  var salt: UInt64
  /// The position of its first byte.
  var begin: LogPosition
  var file: File
  /// Bytes that batches may fill.
  var capacity: Int
  /// Where its batches end, from its first byte.
  var end: Int

  /// The position at which the next batch goes.
  var endPosition: LogPosition { begin + end }
}

/// What has been written, for the log's page of the admin endpoint.
package struct LogStatistics: Sendable, Hashable {
  package var batches = 0
  package var syncs = 0
  package var bytesWritten = 0
  package var segmentsBegun = 0
  package var segmentsRecycled = 0
  package var segments = 0
  package var retainedBytes = 0
}

/// What a checkpoint says of the records before it: which of them each replica needs.
struct CheckpointNeeds: Sendable {
  /// A group that needs none is not in it.
  var groups: [GroupID: LogPosition] = [:]
  var partitions: [RecoveredPartition] = []
  /// The sequence of the segment that holds the least of these positions.
  var oldestSegment: UInt64?
}

/// What the writer of a log shares with its readers: where each replica's records are, and which of
/// them are needed. Locked for moments, never during I/O, so that a read waits for no sync.
///
/// The writer publishes records here once they are written. An owner's `compact` and `release`
/// change it at once; what they mean for the next checkpoint, the writer collects when it begins a
/// segment, in the same step as the oldest position needed.
final class RecordIndex<File: SegmentFile>: Sendable {
  struct State: Sendable {
    var groups: [GroupID: EntriesLocations] = [:]
    var partitions: [PartitionID: DataLocations] = [:]
    /// In order, without gaps.
    var segments: [Segment<File>] = []
    /// The first failure; it is final.
    var failure: StorageError?
    /// What `compact` was told and the writer does not yet know.
    var compactions: [(group: GroupID, through: LogIndex)] = []
    var statistics = LogStatistics()
    /// Computed where it is asked for; dropped when it may have changed.
    private var oldestNeeded: OldestNeeded = .unknown
    #if PlantedFaults
      var plantedFault: PlantedFault?
    #endif
  }

  private enum OldestNeeded {
    case unknown
    case known(LogPosition?)
  }

  private let state: Locked<State>

  init(_ state: State) { self.state = Locked(state) }

  func withState<R: Sendable>(
    _ body: (inout State) throws(StorageError) -> R
  ) throws(StorageError) -> R {
    try state.withLock { (state) throws(StorageError) -> R in
      if let failure = state.failure { throw failure }
      return try body(&state)
    }
  }

  /// For what is said of a log that has failed, too.
  func inspect<R: Sendable>(_ body: (inout State) -> R) -> R { state.withLock { body(&$0) } }

  /// The first failure is the one that is told from then on.
  func fail(_ error: StorageError) { state.withLock { $0.failure = $0.failure ?? error } }
}

// MARK: What is needed

extension RecordIndex.State {
  /// Where the next batch goes.
  var end: LogPosition { segments.last?.endPosition ?? .zero }

  /// The least position that a replica still needs.
  mutating func findOldestNeeded() -> LogPosition? {
    if case .known(let position) = oldestNeeded { return position }
    var oldest: LogPosition?
    for (_, locations) in groups { combine(locations.neededFrom, into: &oldest) }
    for (_, locations) in partitions { combine(locations.neededFrom, into: &oldest) }
    oldestNeeded = .known(oldest)
    return oldest
  }

  private func combine(_ position: LogPosition?, into oldest: inout LogPosition?) {
    guard let position else { return }
    #if PlantedFaults
      if plantedFault == .neededSegmentRecycled {
        oldest = oldest.map { max($0, position) } ?? position
        return
      }
    #endif
    oldest = oldest.map { min($0, position) } ?? position
  }

  /// The segment that holds a position; `nil` where it is no longer in use.
  func segment(at position: LogPosition) -> Segment<File>? {
    var low = 0
    var high = segments.count
    while low < high {
      let middle = (low + high) / 2
      if segments[middle].begin <= position { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? segments[low - 1] : nil
  }

  mutating func retainedBytes() -> Int {
    guard let active = segments.last else { return 0 }
    let oldest = findOldestNeeded().flatMap { segment(at: $0) } ?? active
    return active.endPosition - oldest.begin
  }

  func retention(of replica: LogReplica) -> LogRetention? {
    let neededFrom: LogPosition?
    let ownBytes: Int
    switch replica {
    case .cp(let group):
      guard let locations = groups[group] else { return nil }
      neededFrom = locations.neededFrom
      ownBytes = locations.bytes
    case .ap(let partition):
      guard let locations = partitions[partition] else { return nil }
      neededFrom = locations.neededFrom
      ownBytes = locations.bytes
    }
    return LogRetention(
      neededFrom: neededFrom, heldBytes: neededFrom.map { end - $0 } ?? 0, ownBytes: ownBytes)
  }

  /// What was compacted since this was last asked for.
  mutating func collectCompactions() -> [(group: GroupID, through: LogIndex)] {
    guard !compactions.isEmpty else { return [] }
    defer { compactions = [] }
    return compactions
  }

  /// What the next checkpoint is to say. In the same step as `collectCompactions`, so that it never
  /// speaks of records in segments that are recycled on account of it.
  mutating func checkpointNeeds() -> CheckpointNeeds {
    CheckpointNeeds(
      groups: groups.compactMapValues(\.neededFrom), partitions: sortedPartitions,
      oldestSegment: findOldestNeeded().flatMap { segment(at: $0)?.sequence })
  }

  mutating func compact(_ group: GroupID, through index: LogIndex) throws(StorageError) {
    guard let slot = groups.index(forKey: group) else { return }
    guard index <= groups.values[slot].lastIndex else {
      throw .misuse(
        "compact \(group) through \(index): its log ends at \(groups.values[slot].lastIndex)")
    }
    guard index > groups.values[slot].baseIndex else { return }
    groups.values[slot].compact(through: index, end: end)
    compactions.append((group, index))
    oldestNeeded = .unknown
  }

  mutating func release(
    _ plane: Plane, _ partition: PartitionID, before position: LogPosition
  ) throws(StorageError) {
    guard plane == .ap else {
      throw .misuse("release \(plane) \(partition): the entries of a group go by compact")
    }
    guard position <= end else {
      throw .misuse("release \(plane) \(partition) before \(position): the log ends at \(end)")
    }
    guard let slot = partitions.index(forKey: partition) else { return }
    partitions.values[slot].release(before: position)
    oldestNeeded = .unknown
  }
}

// MARK: What was written, or read at start

extension RecordIndex.State {
  mutating func add(_ record: LogRecord, at position: LogPosition, length: Int) {
    switch record {
    case .hardState: break
    case .entries(let group, let entries):
      guard let first = entries.first, let last = entries.last,
        let slot = groups.index(forKey: group)
      else { return }
      // In one change in place: asking the dictionary first would copy the value out.
      let isNeededFromChanged = groups.values[slot].append(
        EntriesLocation(firstIndex: first.index, position: position, length: UInt32(length)),
        through: last.index)
      if isNeededFromChanged { oldestNeeded = .unknown }
    case .reset(let group, _, let index, _, _):
      groups[group] = EntriesLocations(baseIndex: index, lastIndex: index, keptFrom: position)
      oldestNeeded = .unknown
    case .removed(let group):
      groups[group] = nil
      oldestNeeded = .unknown
    case .data(_, let partition, _):
      if partitions[partition]?.neededFrom == nil { oldestNeeded = .unknown }
      partitions[partition, default: DataLocations(releasedBefore: position)].append(
        DataLocation(position: position, length: UInt32(length)))
    }
  }

  /// As part of recovery: what the checkpoint at `checkpoint` says of a group.
  mutating func restore(
    _ group: GroupID, base: LogIndex, last: LogIndex, neededFrom: LogPosition?,
    checkpoint: LogPosition
  ) {
    if groups[group] == nil {
      groups[group] = EntriesLocations(
        baseIndex: base, lastIndex: last, keptFrom: neededFrom ?? checkpoint)
    }
    groups[group]?.compact(through: base, end: checkpoint)
    oldestNeeded = .unknown
  }

  /// The same for an ap replica.
  mutating func restore(_ partition: PartitionID, releasedBefore: LogPosition) {
    partitions[partition, default: DataLocations(releasedBefore: releasedBefore)]
      .release(before: releasedBefore)
    oldestNeeded = .unknown
  }

  /// What is known of the ap replicas, by partition, so that the same log gives the same bytes.
  var sortedPartitions: [RecoveredPartition] {
    partitions.sorted { $0.key < $1.key }.map {
      RecoveredPartition(
        partition: $0.key, releasedBefore: $0.value.releasedBefore,
        neededFrom: $0.value.neededFrom)
    }
  }
}
