/// A set of keyspace ids as ranges: ids are given in order and never again, so those of dropped
/// keyspaces lie close together, with a gap for each that lives. So the set is as large as what
/// lives, however many were dropped.
///
/// Invariant: the ranges rise, with a gap between any two.
package struct KeyspaceIDSet: Hashable, Sendable {
  private var ranges: [ClosedRange<UInt32>] = []
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { ranges.isEmpty }
  package var rangeCount: Int { ranges.count }

  package func contains(_ id: KeyspaceID) -> Bool {
    let at = firstRange(endingAtOrAfter: id.rawValue)
    return at < ranges.count && ranges[at].lowerBound <= id.rawValue
  }

  /// False where it was there.
  @discardableResult
  package mutating func insert(_ id: KeyspaceID) -> Bool {
    let value = id.rawValue
    let at = firstRange(endingAtOrAfter: value)
    if at < ranges.count, ranges[at].lowerBound <= value { return false }
    let joinsLower = at > 0 && ranges[at - 1].upperBound + 1 == value
    let joinsUpper = at < ranges.count && value + 1 == ranges[at].lowerBound
    switch (joinsLower, joinsUpper) {
    case (true, true):
      ranges[at - 1] = ranges[at - 1].lowerBound...ranges[at].upperBound
      ranges.remove(at: at)
    case (true, false): ranges[at - 1] = ranges[at - 1].lowerBound...value
    case (false, true): ranges[at] = value...ranges[at].upperBound
    case (false, false): ranges.insert(value...value, at: at)
    }
    count += 1
    return true
  }

  /// The lowest ids that are here and not in `other`: at most `limit`.
  package func subtracting(_ other: Self, limit: Int) -> [KeyspaceID] {
    var found: [KeyspaceID] = []
    var at = 0
    for range in ranges {
      var next = UInt64(range.lowerBound)
      while next <= UInt64(range.upperBound), found.count < limit {
        while at < other.ranges.count, UInt64(other.ranges[at].upperBound) < next { at += 1 }
        if at < other.ranges.count, UInt64(other.ranges[at].lowerBound) <= next {
          next = UInt64(other.ranges[at].upperBound) + 1
        } else {
          found.append(KeyspaceID(UInt32(next)))
          next += 1
        }
      }
    }
    return found
  }

  /// By bisection.
  private func firstRange(endingAtOrAfter value: UInt32) -> Int {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// u32 count of ranges, and for each: u32 first, u32 last.
  package func encode(into writer: inout ByteWriter) {
    writer.append(UInt32(ranges.count))
    for range in ranges {
      writer.append(range.lowerBound)
      writer.append(range.upperBound)
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let count = try reader.readCount(
      limit: Limits.droppedKeyspaceRanges, minimumSize: 8, what: "ranges of keyspaces")
    ranges.reserveCapacity(count)
    for _ in 0..<count {
      let first = try reader.read(UInt32.self)
      let last = try reader.read(UInt32.self)
      let follows = ranges.last.map { UInt64($0.upperBound) + 1 < UInt64(first) } ?? true
      guard first <= last, follows else { throw .invalid("keyspaces: ranges that do not rise") }
      ranges.append(first...last)
      self.count += Int(last - first) + 1
    }
  }
}

extension KeyspaceIDSet: ExpressibleByArrayLiteral {
  package init(arrayLiteral ids: KeyspaceID...) { for id in ids { insert(id) } }
}

extension KeyspaceIDSet: Sequence {
  /// Every id, in order.
  package func makeIterator() -> AnyIterator<KeyspaceID> {
    var at = 0
    var offset: UInt32 = 0
    let ranges = ranges
    return AnyIterator {
      guard at < ranges.count else { return nil }
      let id = KeyspaceID(ranges[at].lowerBound + offset)
      if id.rawValue == ranges[at].upperBound {
        at += 1
        offset = 0
      } else {
        offset += 1
      }
      return id
    }
  }
}
