/// A value for every index of a log, where neighbours mostly share theirs: runs, each of which
/// holds from its first index until the next run begins.
///
/// Terms and configurations of a log are both of this kind, and follow the log through the same
/// four changes: an entry is appended, the end is truncated, the beginning is compacted, a snapshot
/// replaces everything (a new value of this type).
///
/// Invariants: there is at least one run, so that every index from the first run on has a value,
/// and first indexes rise strictly.
package struct IndexedRuns<Value: Hashable & Sendable>: Hashable, Sendable {
  package struct Run: Hashable, Sendable {
    package var firstIndex: LogIndex
    package var value: Value

    package init(firstIndex: LogIndex, value: Value) {
      self.firstIndex = firstIndex
      self.value = value
    }
  }

  package private(set) var runs: [Run]

  package init(_ value: Value, from index: LogIndex) {
    runs = [Run(firstIndex: index, value: value)]
  }

  package var first: Run { runs[0] }
  package var last: Run { runs[runs.count - 1] }

  /// The value at `index`; `nil` before the first run. Searches from the end, near which most of
  /// what is asked for lies.
  package func value(at index: LogIndex) -> Value? {
    var position = runs.count - 1
    while position >= 0 && runs[position].firstIndex > index { position -= 1 }
    return position >= 0 ? runs[position].value : nil
  }

  /// From `index` on, `value` holds.
  package mutating func append(_ value: Value, from index: LogIndex) {
    precondition(
      index > last.firstIndex, "a run from \(index) on after one from \(last.firstIndex)")
    runs.append(Run(firstIndex: index, value: value))
  }

  /// Removes the runs that begin after `index`.
  package mutating func truncate(after index: LogIndex) {
    precondition(index >= first.firstIndex, "truncation to \(index) before \(first.firstIndex)")
    while last.firstIndex > index { runs.removeLast() }
  }

  /// Forgets what held only before `index`. The run that holds there becomes the first, and keeps
  /// the index at which it began.
  package mutating func compact(through index: LogIndex) {
    var keep = 0
    while keep + 1 < runs.count && runs[keep + 1].firstIndex <= index { keep += 1 }
    runs.removeFirst(keep)
  }

  /// As `compact`, and the first run then begins at `index`: where it began before is forgotten
  /// too.
  package mutating func rebase(to index: LogIndex) {
    precondition(index >= first.firstIndex, "rebased to \(index) before \(first.firstIndex)")
    compact(through: index)
    runs[0].firstIndex = index
  }

  /// What must always be true of it; `nil` where it is.
  package var brokenInvariant: String? {
    if runs.isEmpty { return "no run" }
    for position in 1..<runs.count where runs[position].firstIndex <= runs[position - 1].firstIndex
    {
      return "a run from \(runs[position].firstIndex) on after one from "
        + "\(runs[position - 1].firstIndex)"
    }
    return nil
  }
}

/// The entries of a log from `firstIndex` on, up to the next run, have `term`.
package typealias TermRun = IndexedRuns<Term>.Run

extension IndexedRuns.Run where Value == Term {
  package init(term: Term, firstIndex: LogIndex) { self.init(firstIndex: firstIndex, value: term) }

  package var term: Term { value }
}

/// A configuration and the index of the entry that brought it into force.
package typealias IndexedConfiguration = IndexedRuns<GroupConfiguration>.Run

extension IndexedRuns.Run where Value == GroupConfiguration {
  package init(index: LogIndex, configuration: GroupConfiguration) {
    self.init(firstIndex: index, value: configuration)
  }

  package var index: LogIndex { firstIndex }
  package var configuration: GroupConfiguration { value }
}
