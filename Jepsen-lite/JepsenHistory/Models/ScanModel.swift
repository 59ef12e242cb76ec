/// Scans of the keys under a prefix.
///
/// Fields: `scan` has the prefix in `key` and the keys that it found in `value`, a `.list` of texts
/// in order, absent being none. `write`, `delete` and `cas` are those of single keys.
///
/// A scan must be in order and name no key twice or outside of its prefix. A key is surely there
/// during a scan where a write of it ended before the scan began, and every delete that began
/// before the scan ended had ended before that write began. It is surely not there where nothing
/// that writes it began before the scan ended, or where the same holds of a delete and all writes.
/// What is in between may be found or not: nothing is said of a scan as one moment.
enum ScanModel {
  static let name = "scans"
  private static let method = "what was surely there"

  /// Writes or deletes of a key, for questions about times.
  private struct Times {
    /// By start, with the latest end of those up to there; unknown outcomes never end.
    var starts: [(start: UInt64, end: UInt64, source: Int)] = []
    /// Those with known outcomes by end, with the latest start of those up to there.
    var ends: [(end: UInt64, start: UInt64, source: Int)] = []

    mutating func sort() {
      starts.sort { ($0.start, $0.source) < ($1.start, $1.source) }
      ends.sort { ($0.end, $0.source) < ($1.end, $1.source) }
      for position in starts.indices.dropFirst()
      where starts[position - 1].end > starts[position].end {
        starts[position].end = starts[position - 1].end
        starts[position].source = starts[position - 1].source
      }
      for position in ends.indices.dropFirst() where ends[position - 1].start > ends[position].start
      {
        ends[position].start = ends[position - 1].start
        ends[position].source = ends[position - 1].source
      }
    }

    /// The latest end of those that began by `time`.
    func latestEnd(begunBy time: UInt64) -> UInt64? {
      let count = ScanModel.count(starts.count) { starts[$0].start <= time }
      return count == 0 ? nil : starts[count - 1].end
    }

    /// The one that began last among those that surely happened before `time`.
    func last(endedBefore time: UInt64) -> (start: UInt64, source: Int)? {
      let count = ScanModel.count(ends.count) { ends[$0].end < time }
      return count == 0 ? nil : (ends[count - 1].start, ends[count - 1].source)
    }
  }

  private struct Key {
    var name: String
    var writes = Times()
    var deletes = Times()
  }

  private static func count(_ all: Int, _ isWithin: (Int) -> Bool) -> Int {
    var low = 0
    var high = all
    while low < high {
      let middle = (low + high) / 2
      if isWithin(middle) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  static func check(_ history: [HistoryOperation]) -> Verdict {
    let keys = keys(of: history)
    var scans = 0
    for position in history.indices
    where history[position].kind == .scan && history[position].outcome == .ok {
      scans += 1
      if let finding = check(history, position, keys) {
        return ModelOutcome.verdict(name, history, key: history[position].key, finding, method)
      }
    }
    guard scans > 0 else {
      return Verdict(
        name, .invalid, method: method, text: "No scan was answered, which proves nothing.")
    }
    return Verdict(
      name, .passed, method: method,
      text: "\(scans) scans over \(keys.count) keys found what was surely there and nothing else.")
  }

  /// By name, in the order of bytes.
  private static func keys(of history: [HistoryOperation]) -> [Key] {
    var numbers: [ExactText: Int] = [:]
    var keys: [Key] = []
    for position in history.indices where history[position].mayHaveHappened {
      let kind = history[position].kind
      guard kind == .write || kind == .delete || kind == .cas else { continue }
      let exact = ExactText(history[position].key)
      let number = numbers[exact] ?? keys.count
      if number == keys.count {
        numbers[exact] = number
        keys.append(Key(name: history[position].key))
      }
      // Writing nothing is deleting.
      let isDelete = kind == .delete || history[position].value == nil
      let start = history[position].startNanoseconds
      let end = history[position].knownEnd
      func note(_ times: inout Times) {
        times.starts.append((start, end ?? UInt64.max, position))
        if let end { times.ends.append((end, start, position)) }
      }
      if isDelete { note(&keys[number].deletes) } else { note(&keys[number].writes) }
    }
    for number in keys.indices {
      keys[number].writes.sort()
      keys[number].deletes.sort()
    }
    return keys.sorted { precedes($0.name, $1.name) }
  }

  private static func precedes(_ one: String, _ other: String) -> Bool {
    one.utf8.lexicographicallyPrecedes(other.utf8)
  }

  private static func check(
    _ history: [HistoryOperation], _ position: Int, _ keys: [Key]
  ) -> ModelFinding? {
    let scan = history[position]
    func finding(_ text: String, _ others: [Int] = []) -> ModelFinding {
      ModelFinding(text: text, operations: [position] + others)
    }
    guard let elements = scan.elements else { return finding("a scan answered with no list") }
    let found = elements.map { $0.text ?? $0.json }
    for (one, other) in zip(found, found.dropFirst()) where !precedes(one, other) {
      return finding(
        one.hasSameBytes(as: other)
          ? "a scan found \(one) twice" : "a scan found \(other) after \(one)")
    }
    if let outside = found.first(where: { !$0.utf8.starts(with: scan.key.utf8) }) {
      return finding("a scan under \(scan.key) found \(outside)")
    }
    let start = scan.startNanoseconds
    let end = scan.endNanoseconds ?? UInt64.max
    var next = 0
    for key in keys where key.name.utf8.starts(with: scan.key.utf8) {
      if next < found.count && precedes(found[next], key.name) {
        return finding("a scan found \(found[next]), which was never written")
      }
      if next < found.count && found[next].hasSameBytes(as: key.name) {
        next += 1
        if let why = surelyAbsent(key, start, end) {
          return finding("a scan found \(key.name), which was \(why.text)", why.sources)
        }
      } else if let write = surelyPresent(key, start, end) {
        return finding(
          "a scan did not find \(key.name), whose write had ended before and which nobody deleted",
          [write])
      }
    }
    return next < found.count
      ? finding("a scan found \(found[next]), which was never written") : nil
  }

  private static func surelyPresent(_ key: Key, _ start: UInt64, _ end: UInt64) -> Int? {
    guard let write = key.writes.last(endedBefore: start) else { return nil }
    guard let deleted = key.deletes.latestEnd(begunBy: end) else { return write.source }
    return deleted < write.start ? write.source : nil
  }

  private static func surelyAbsent(
    _ key: Key, _ start: UInt64, _ end: UInt64
  ) -> (text: String, sources: [Int])? {
    guard let written = key.writes.latestEnd(begunBy: end) else {
      return (
        "not written before the scan ended", key.writes.starts.first.map { [$0.source] } ?? []
      )
    }
    guard let delete = key.deletes.last(endedBefore: start), written < delete.start else {
      return nil
    }
    return ("deleted before", [delete.source])
  }
}
