internal import KVBase

/// Where one record is that is read back by itself.
protocol RecordLocation: Sendable {
  var position: LogPosition { get }
  var length: UInt32 { get }
}

/// Where one record of entries is.
struct EntriesLocation: RecordLocation, Hashable {
  var firstIndex: LogIndex
  var position: LogPosition
  var length: UInt32
}

/// Where one record of data is.
struct DataLocation: RecordLocation, Hashable {
  var position: LogPosition
  var length: UInt32
}

/// Locations are queued by rising position: added at one end and let go at the other.
extension RingQueue where Element: RecordLocation {
  /// The slot of the first element for which `isBefore` does not hold; it does for all before.
  fileprivate func slot(_ isBefore: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The slots of what is at `position` and after it: of at most `maxBytes`, but at least one.
  fileprivate func slots(at position: LogPosition, maxBytes: Int) -> Range<Int> {
    let first = slot { $0.position < position }
    var end = first
    var bytes = 0
    while end < count, end - first < Limits.logReadRecords {
      bytes += Int(self[end].length)
      if end > first && bytes > maxBytes { break }
      end += 1
    }
    return first..<end
  }

  fileprivate func position(at slot: Int) -> LogPosition? {
    slot < count ? self[slot].position : nil
  }
}

/// Where a group's entries are: a location for each entries record, by rising index and position. A
/// location is valid up to where the next one begins, since later entries replace earlier ones. It
/// is 24 bytes long, less than the record it stands for, so memory is bounded by what the log
/// retains.
struct EntriesLocations: Sendable {
  /// A record and those of its entries that were neither replaced nor compacted.
  struct Found: Sendable {
    var location: EntriesLocation
    var first: LogIndex
    var last: LogIndex
  }

  private(set) var baseIndex: LogIndex
  private(set) var lastIndex: LogIndex
  /// Nothing before it is kept.
  private(set) var keptFrom: LogPosition
  /// The length of all records that are kept.
  private(set) var bytes = 0
  private var locations = RingQueue<EntriesLocation>(limit: .max)

  init(baseIndex: LogIndex, lastIndex: LogIndex, keptFrom: LogPosition) {
    self.baseIndex = baseIndex
    self.lastIndex = lastIndex
    self.keptFrom = keptFrom
  }

  var neededFrom: LogPosition? { locations.first?.position }
  /// Every entry kept has a location.
  var isComplete: Bool {
    lastIndex == baseIndex || locations.first.map { $0.firstIndex <= baseIndex.next } ?? false
  }

  /// True where `neededFrom` may have changed.
  mutating func append(_ location: EntriesLocation, through last: LogIndex) -> Bool {
    let mayChange = location.firstIndex <= lastIndex || locations.isEmpty
    while let replaced = locations.last, replaced.firstIndex >= location.firstIndex {
      _ = locations.popLast()
      bytes -= Int(replaced.length)
    }
    locations.append(location)
    bytes += Int(location.length)
    lastIndex = last
    // What a record had left after compaction may just have been replaced.
    removeCompacted()
    return mayChange
  }

  /// `end` is the log's: where no entry is kept, nothing before it is.
  mutating func compact(through index: LogIndex, end: LogPosition) {
    guard index > baseIndex else { return }
    baseIndex = index
    removeCompacted()
    keptFrom = neededFrom ?? end
  }

  private mutating func removeCompacted() {
    while let first = locations.first, lastIndex(at: 0) <= baseIndex {
      _ = locations.popFirst()
      bytes -= Int(first.length)
    }
  }

  private func lastIndex(at slot: Int) -> LogIndex {
    slot + 1 < locations.count ? locations[slot + 1].firstIndex.previous : lastIndex
  }

  private func found(at slot: Int) -> Found {
    let location = locations[slot]
    return Found(
      location: location, first: max(location.firstIndex, baseIndex.next),
      last: lastIndex(at: slot))
  }

  func position(of index: LogIndex) -> LogPosition? {
    guard index > baseIndex, index <= lastIndex else { return nil }
    let after = locations.slot { $0.firstIndex <= index }
    return after > 0 ? locations[after - 1].position : nil
  }

  func firstIndex(at position: LogPosition) -> LogIndex? {
    let slot = locations.slot { $0.position < position }
    return slot < locations.count ? found(at: slot).first : nil
  }

  /// Whether the record there still stands for entries.
  func contains(_ position: LogPosition) -> Bool {
    locations.position(at: locations.slot { $0.position < position }) == position
  }

  /// The records of entries from `from` to `through`: as many as may be needed for `maxBytes`, and
  /// at least one.
  func find(from: LogIndex, through: LogIndex, maxBytes: Int) -> [Found] {
    var result: [Found] = []
    var bytes = 0
    var slot = max(locations.slot { $0.firstIndex <= from } - 1, 0)
    while slot < locations.count, locations[slot].firstIndex <= through,
      result.isEmpty || bytes < maxBytes, result.count < Limits.logReadRecords
    {
      result.append(found(at: slot))
      // The first record may begin before `from`, so its length says little.
      if result.count > 1 { bytes += Int(locations[slot].length) }
      slot += 1
    }
    return result
  }

  /// The records at `position` and after it: of at most `maxBytes`, but at least one; and where the
  /// next one is.
  func find(at position: LogPosition, maxBytes: Int) -> (found: [Found], next: LogPosition?) {
    let slots = locations.slots(at: position, maxBytes: maxBytes)
    return (slots.map(found), locations.position(at: slots.upperBound))
  }
}

/// Where an ap replica's data is, by rising position: 16 bytes for each record.
struct DataLocations: Sendable {
  /// The owner has said that nothing before it is needed.
  private(set) var releasedBefore: LogPosition
  /// The length of all records that are kept.
  private(set) var bytes = 0
  private var locations = RingQueue<DataLocation>(limit: .max)

  init(releasedBefore: LogPosition) { self.releasedBefore = releasedBefore }

  var neededFrom: LogPosition? { locations.first?.position }

  mutating func append(_ location: DataLocation) {
    locations.append(location)
    bytes += Int(location.length)
  }

  mutating func release(before position: LogPosition) {
    releasedBefore = max(releasedBefore, position)
    while let first = locations.first, first.position < releasedBefore {
      _ = locations.popFirst()
      bytes -= Int(first.length)
    }
  }

  /// As for entries.
  func find(
    at position: LogPosition, maxBytes: Int
  ) -> (found: [DataLocation], next: LogPosition?) {
    let slots = locations.slots(at: position, maxBytes: maxBytes)
    return (slots.map { locations[$0] }, locations.position(at: slots.upperBound))
  }
}
