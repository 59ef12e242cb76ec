import KVBase

/// The configurations of one group as its committed log makes them, against which every other
/// statement of one is held: a reset's, and what a node finds when it starts.
struct ConfigurationLedger: Sendable {
  private struct Change: Sendable {
    var index: UInt64
    var configuration: GroupConfiguration
  }

  /// By rising index; the first is that of the group's creation.
  private var committed: [Change] = []
  /// Entries that were written and may be committed one day.
  private var written: [(mark: EntryMark, change: Change)] = []

  var isEmpty: Bool { committed.isEmpty }

  /// An entry was written by some replica.
  mutating func wrote(_ entry: LogEntry, _ mark: EntryMark) {
    guard entry.kind == .configuration else { return }
    var reader = ByteReader(entry.payload)
    guard let configuration = try? GroupConfiguration(from: &reader),
      !written.contains(where: { $0.mark == mark && $0.change.index == entry.index.rawValue })
    else { return }
    written.append(
      (mark, Change(index: entry.index.rawValue, configuration: configuration)))
  }

  /// An entry is known to be committed.
  mutating func committed(_ index: UInt64, _ mark: EntryMark) {
    guard let first = written.first(where: { $0.change.index == index && $0.mark == mark }) else {
      return
    }
    committed.append(first.change)
    written.removeAll { $0.change.index <= index }
  }

  /// Somebody says what the configuration is as of a committed index. Answers what it is instead,
  /// where it is another; the first statement of all is believed.
  mutating func check(
    _ stated: GroupConfiguration, asOf index: UInt64
  ) -> GroupConfiguration? {
    guard let known = committed.last(where: { $0.index <= index }) else {
      committed.insert(Change(index: index, configuration: stated), at: 0)
      return nil
    }
    return known.configuration == stated ? nil : known.configuration
  }
}
