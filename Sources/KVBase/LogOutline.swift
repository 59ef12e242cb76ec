/// What is known of a group's log without its entries: where it begins and ends, the term of every
/// entry, and the configurations. The Raft log and the recovered log both keep one.
///
/// The base is the last entry that was compacted away (or that a snapshot covers); index 0 where
/// nothing was. Its term is known, as that of every entry after it.
///
/// A configuration is in force from the moment its entry is appended (Raft paper §6), so a
/// truncated entry takes its configuration along, and the one before it is in force again.
package struct LogOutline: Hashable, Sendable {
  package private(set) var baseIndex: LogIndex
  package private(set) var lastIndex: LogIndex
  /// The first run begins at the base. Terms rise.
  private var terms: IndexedRuns<Term>
  /// The first run is the configuration in force at the base; where its own entry was compacted
  /// away, it begins before the base.
  private var changes: IndexedRuns<GroupConfiguration>

  /// A log without entries.
  package init(baseIndex: LogIndex, baseTerm: Term, configuration: GroupConfiguration) {
    self.baseIndex = baseIndex
    lastIndex = baseIndex
    terms = IndexedRuns(baseTerm, from: baseIndex)
    changes = IndexedRuns(configuration, from: baseIndex)
  }

  /// A log of which a store tells. `nil` where that can't be true of any log: indexes or terms that
  /// fall, or lie beyond the end.
  ///
  /// Runs may begin before the base, which overrides them. Without any configuration nobody is a
  /// member.
  package init?(
    baseIndex: LogIndex, baseTerm: Term, lastIndex: LogIndex, termRuns: [TermRun],
    configurations: [IndexedConfiguration]
  ) {
    let first =
      configurations.first
      ?? IndexedConfiguration(index: baseIndex, configuration: GroupConfiguration(voters: []))
    guard lastIndex >= baseIndex, first.index <= baseIndex else { return nil }
    self.baseIndex = baseIndex
    self.lastIndex = lastIndex
    terms = IndexedRuns(baseTerm, from: baseIndex)
    changes = IndexedRuns(first.configuration, from: first.index)
    var previous: LogIndex?
    for run in termRuns {
      if let previous, run.firstIndex <= previous { return nil }
      previous = run.firstIndex
      guard run.firstIndex > baseIndex else { continue }
      guard run.firstIndex <= lastIndex, run.term >= lastTerm else { return nil }
      if run.term > lastTerm { terms.append(run.term, from: run.firstIndex) }
    }
    for change in configurations.dropFirst() {
      guard change.index > changes.last.index, change.index <= lastIndex else { return nil }
      changes.append(change.configuration, from: change.index)
    }
  }

  package var baseTerm: Term { terms.first.term }
  package var lastTerm: Term { terms.last.term }
  /// The configuration in force: that of the latest entry appended, committed or not.
  package var configuration: IndexedConfiguration { changes.last }
  /// The configuration in force at the base, then those of the entries.
  package var configurations: [IndexedConfiguration] { changes.runs }

  /// Where each term begins among the entries after the base.
  package var termRuns: [TermRun] {
    var runs = terms.runs
    let firstTermEnd = runs.count > 1 ? runs[1].firstIndex.previous : lastIndex
    if firstTermEnd > baseIndex {
      runs[0].firstIndex = baseIndex.next
    } else {
      runs.removeFirst()
    }
    return runs
  }

  /// The term of an entry; `nil` before the base and after the end.
  package func term(at index: LogIndex) -> Term? {
    index >= baseIndex && index <= lastIndex ? terms.value(at: index) : nil
  }

  /// The highest index up to `index` whose term is at most `term`: where two logs may agree, given
  /// that one of them has `term` at `index`. Below the base where no entry from there on qualifies.
  package func highestIndex(upTo index: LogIndex, termAtMost term: Term) -> LogIndex {
    guard index >= baseIndex else { return index }
    var end = min(index, lastIndex)
    for run in terms.runs.reversed() where run.firstIndex <= end {
      if run.term <= term { return end }
      end = run.firstIndex.previous
    }
    return end
  }

  /// The entry at `index` is appended. `configuration` is what it carries, where it is of that
  /// kind.
  package mutating func append(
    index: LogIndex, term: Term, configuration: GroupConfiguration? = nil
  ) {
    precondition(
      index == lastIndex.next && term >= lastTerm,
      "entry \(index) of term \(term) after \(lastIndex) of term \(lastTerm)")
    if term > lastTerm { terms.append(term, from: index) }
    if let configuration { changes.append(configuration, from: index) }
    lastIndex = index
  }

  /// Entries after `index` are gone. True where a configuration went with them.
  @discardableResult
  package mutating func truncate(after index: LogIndex) -> Bool {
    precondition(
      index >= baseIndex && index <= lastIndex,
      "truncation to \(index) of a log \(baseIndex)...\(lastIndex)")
    terms.truncate(after: index)
    let rollsBack = changes.last.index > index
    changes.truncate(after: index)
    lastIndex = index
    return rollsBack
  }

  /// Entries up to and including `index` are forgotten.
  package mutating func compact(through index: LogIndex) {
    precondition(
      index >= baseIndex && index <= lastIndex,
      "compaction to \(index) of a log \(baseIndex)...\(lastIndex)")
    terms.rebase(to: index)
    changes.compact(through: index)
    baseIndex = index
  }

  /// What must always be true of it; `nil` where it is.
  package var brokenInvariant: String? {
    if let broken = terms.brokenInvariant ?? changes.brokenInvariant { return broken }
    if lastIndex < baseIndex { return "a log from \(baseIndex) to \(lastIndex)" }
    if terms.first.firstIndex != baseIndex {
      return "terms from \(terms.first.firstIndex) on, base \(baseIndex)"
    }
    for position in 1..<terms.runs.count
    where terms.runs[position].term <= terms.runs[position - 1].term {
      return "term \(terms.runs[position].term) after \(terms.runs[position - 1].term)"
    }
    if terms.last.firstIndex > lastIndex { return "a term from \(terms.last.firstIndex) on" }
    if changes.first.index > baseIndex { return "no configuration at \(baseIndex)" }
    if changes.last.index > lastIndex { return "a configuration at \(changes.last.index)" }
    return nil
  }
}
