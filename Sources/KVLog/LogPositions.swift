internal import KVBase
internal import Synchronization

/// A segment that is in use.
package struct Segment<File: SegmentFile>: Sendable {
  package var sequence: UInt64
  package var salt: UInt64
  package var file: File
  /// Bytes that batches may fill.
  package var capacity: Int
  /// Where the next batch goes.
  package var end: Int
}

/// Where one entries record is.
struct EntriesPlace: Sendable, Hashable {
  var firstIndex: LogIndex
  var sequence: UInt32
  var offset: UInt32
  var length: UInt32
}

/// Where a group's entries are: a place for each entries record, by rising index. A place is valid
/// up to where the next one begins, since later entries replace earlier ones. It takes 24 bytes,
/// less than the record it stands for, so memory is bounded by what the log retains.
struct GroupPlaces: Sendable {
  private(set) var baseIndex: LogIndex
  private(set) var lastIndex: LogIndex
  private var places: [EntriesPlace] = []
  /// Places before this one are gone; they leave the array when they are half of it.
  private var head = 0

  init(baseIndex: LogIndex, lastIndex: LogIndex) {
    self.baseIndex = baseIndex
    self.lastIndex = lastIndex
  }

  var first: EntriesPlace? { head < places.count ? places[head] : nil }
  /// Every entry kept has a place.
  var isComplete: Bool {
    lastIndex == baseIndex || first.map { $0.firstIndex <= baseIndex.next } ?? false
  }

  mutating func append(_ place: EntriesPlace, through last: LogIndex) {
    while head < places.count, places[places.count - 1].firstIndex >= place.firstIndex {
      places.removeLast()
    }
    places.append(place)
    lastIndex = last
  }

  mutating func compact(through index: LogIndex) {
    guard index > baseIndex else { return }
    baseIndex = index
    while head < places.count, lastIndex(at: head) <= index { head += 1 }
    if head > 32, head * 2 > places.count {
      places.removeFirst(head)
      head = 0
    }
  }

  private func lastIndex(at position: Int) -> LogIndex {
    position + 1 < places.count ? places[position + 1].firstIndex.previous : lastIndex
  }

  /// The places that hold entries from `from` to `through`, each with its last valid index: as many
  /// as may be needed for `maxBytes`, and at least one.
  func find(
    from: LogIndex, through: LogIndex, maxBytes: Int
  ) -> [(place: EntriesPlace, last: LogIndex)] {
    var low = head
    var high = places.count
    while low < high {
      let middle = (low + high) / 2
      if places[middle].firstIndex <= from { low = middle + 1 } else { high = middle }
    }
    var found: [(place: EntriesPlace, last: LogIndex)] = []
    var bytes = 0
    var position = max(low - 1, head)
    while position < places.count, places[position].firstIndex <= through,
      found.isEmpty || bytes < maxBytes, found.count < Limits.logReadRecords
    {
      found.append((places[position], lastIndex(at: position)))
      // The first place may begin before `from`, so its size says little.
      if found.count > 1 { bytes += Int(places[position].length) }
      position += 1
    }
    return found
  }
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

/// What the writer of a log shares with its readers: where entries are. Locked for moments, never
/// during I/O, so that a read waits for no sync.
final class LogPositions<File: SegmentFile>: Sendable {
  struct State: Sendable {
    var groups: [GroupID: GroupPlaces] = [:]
    /// In order, without gaps.
    var segments: [Segment<File>] = []
    /// The first failure; it is final.
    var failure: StorageError?
    /// Told to `compact` and not yet known to the writer.
    var compactions: [(group: GroupID, through: LogIndex)] = []
    var statistics = LogStatistics()
    /// Forgotten when it may have changed.
    private var oldestNeeded: UInt64?

    /// The oldest segment that holds an entry which is still needed.
    mutating func findOldestNeeded() -> UInt64? {
      if oldestNeeded == nil {
        var oldest = UInt64.max
        for (_, places) in groups {
          if let first = places.first { oldest = min(oldest, UInt64(first.sequence)) }
        }
        oldestNeeded = oldest
      }
      return oldestNeeded == .max ? nil : oldestNeeded
    }

    mutating func retainedBytes() -> Int {
      guard let active = segments.last else { return 0 }
      let oldest = findOldestNeeded() ?? active.sequence
      var total = 0
      for segment in segments where segment.sequence >= oldest { total += segment.end }
      return total
    }

    mutating func compact(_ group: GroupID, through index: LogIndex) throws(StorageError) {
      guard let place = groups.index(forKey: group) else { return }
      guard index <= groups.values[place].lastIndex else {
        throw .misuse(
          "compact \(group) through \(index): its log ends at \(groups.values[place].lastIndex)")
      }
      guard index > groups.values[place].baseIndex else { return }
      groups.values[place].compact(through: index)
      compactions.append((group, index))
      oldestNeeded = nil
    }

    mutating func place(
      _ record: LogRecord, sequence: UInt64, offset: Int, length: Int
    ) {
      switch record {
      case .hardState: break
      case .entries(let group, let entries):
        guard let first = entries.first, let last = entries.last,
          let position = groups.index(forKey: group)
        else { return }
        if first.index <= groups.values[position].lastIndex || groups.values[position].first == nil
        {
          oldestNeeded = nil
        }
        groups.values[position].append(
          EntriesPlace(
            firstIndex: first.index, sequence: UInt32(sequence), offset: UInt32(offset),
            length: UInt32(length)), through: last.index)
      case .reset(let group, _, let index, _, _):
        groups[group] = GroupPlaces(baseIndex: index, lastIndex: index)
        oldestNeeded = nil
      case .removed(let group):
        groups[group] = nil
        oldestNeeded = nil
      }
    }

    /// As part of recovery: what the checkpoint of the latest segment says is gone.
    mutating func restore(_ group: GroupID, base: LogIndex, last: LogIndex) {
      if groups[group] == nil { groups[group] = GroupPlaces(baseIndex: base, lastIndex: last) }
      groups[group]?.compact(through: base)
      oldestNeeded = nil
    }
  }

  private let state: Mutex<State>

  init(_ state: State) { self.state = Mutex(state) }

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

  /// What is wrong stays wrong; the first failure is the one that is told.
  func fail(_ error: StorageError) { state.withLock { $0.failure = $0.failure ?? error } }
}
