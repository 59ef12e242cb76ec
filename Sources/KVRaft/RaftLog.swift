internal import KVBase

/// What a replica knows of its log: where each term begins, and a tail of entries in memory.
///
/// Entries before the tail are in the store only. The tail always holds what is not yet durable,
/// since nothing else could give it back.
struct RaftLog: Sendable {
  /// The entry before the first one that the log can still say something about.
  private(set) var baseIndex: LogIndex
  private(set) var baseTerm: Term
  private(set) var lastIndex: LogIndex
  /// Terms of the entries behind `baseIndex`; both fields rise.
  private(set) var runs: [TermRun]
  /// The tail is `slots[head...]`; what lies before `head` is released and waits to be moved over.
  private var slots: [LogEntry] = []
  private var head = 0
  /// Encoded size of the tail.
  private(set) var tailBytes = 0

  init(baseIndex: LogIndex, baseTerm: Term, lastIndex: LogIndex, runs: [TermRun]) {
    precondition(lastIndex >= baseIndex, "a log from \(baseIndex) to \(lastIndex)")
    self.baseIndex = baseIndex
    self.baseTerm = baseTerm
    self.lastIndex = lastIndex
    // A store may say where a term began before its base.
    self.runs = []
    for (position, run) in runs.enumerated() {
      let end = position + 1 < runs.count ? runs[position + 1].firstIndex : lastIndex.next
      let first = max(run.firstIndex, baseIndex.next)
      if first < end { self.runs.append(TermRun(term: run.term, firstIndex: first)) }
    }
  }

  var lastTerm: Term { runs.last?.term ?? baseTerm }
  var tailCount: Int { slots.count - head }
  /// The first entry in memory; one behind `lastIndex` where there is none.
  var tailFirst: LogIndex { LogIndex(lastIndex.rawValue + 1 - UInt64(tailCount)) }

  /// The term of an entry; `nil` before the base and behind the end.
  func term(at index: LogIndex) -> Term? {
    if index > lastIndex || index < baseIndex { return nil }
    if index == baseIndex { return baseTerm }
    return runs[run(of: index)].term
  }

  /// The run that holds `index`, which lies in (base, last]. What is asked for lies near the end.
  private func run(of index: LogIndex) -> Int {
    var position = runs.count - 1
    while position >= 0 && runs[position].firstIndex > index { position -= 1 }
    precondition(position >= 0, "no term for entry \(index) of \(baseIndex)...\(lastIndex)")
    return position
  }

  /// The highest index up to `index` whose term is at most `term`: where two logs may agree, given
  /// that one of them has `term` at `index`. Below the base where nothing behind it qualifies.
  func highestIndex(upTo index: LogIndex, termAtMost term: Term) -> LogIndex {
    if index < baseIndex { return index }
    var end = min(index, lastIndex)
    var position = runs.count - 1
    while position >= 0 {
      if runs[position].firstIndex <= end {
        if runs[position].term <= term { return end }
        end = runs[position].firstIndex.previous
      }
      position -= 1
    }
    return baseTerm <= term ? baseIndex : baseIndex.previous
  }

  mutating func append(_ entry: LogEntry) {
    precondition(
      entry.index == lastIndex.next && entry.term >= lastTerm,
      "entry \(entry.index) of term \(entry.term) behind \(lastIndex) of term \(lastTerm)")
    if runs.last?.term != entry.term {
      runs.append(TermRun(term: entry.term, firstIndex: entry.index))
    }
    slots.append(entry)
    tailBytes += entry.encodedSize
    lastIndex = entry.index
  }

  /// Drops every entry behind `index`.
  mutating func truncate(after index: LogIndex) {
    precondition(
      index >= baseIndex && index <= lastIndex,
      "truncation to \(index) of a log \(baseIndex)...\(lastIndex)")
    while tailCount > 0 && lastIndex > index {
      tailBytes -= slots.removeLast().encodedSize
      lastIndex = lastIndex.previous
    }
    lastIndex = index
    while let last = runs.last, last.firstIndex > index { runs.removeLast() }
    if tailCount == 0 { releaseAll() }
  }

  /// The store forgot entries up to and including `index`.
  mutating func compact(through index: LogIndex) {
    guard index > baseIndex else { return }
    guard let term = term(at: index) else {
      preconditionFailure("compaction to \(index) of a log \(baseIndex)...\(lastIndex)")
    }
    while tailCount > 0 && tailFirst <= index { releaseFirst() }
    var keep = 0
    while keep + 1 < runs.count && runs[keep + 1].firstIndex <= index.next { keep += 1 }
    runs.removeFirst(keep)
    if index == lastIndex {
      runs.removeAll()
    } else if let first = runs.first, first.firstIndex <= index {
      runs[0].firstIndex = index.next
    }
    baseIndex = index
    baseTerm = term
  }

  /// Begins anew behind a snapshot.
  mutating func reset(index: LogIndex, term: Term) {
    releaseAll()
    runs.removeAll()
    baseIndex = index
    baseTerm = term
    lastIndex = index
  }

  /// Entries from `from`, which lies in the tail, up to `through`: at most `maxBytes`, and at least
  /// one.
  func entries(from: LogIndex, through: LogIndex, maxBytes: Int) -> [LogEntry] {
    precondition(
      from >= tailFirst && through <= lastIndex && from <= through,
      "entries \(from)...\(through) of a tail \(tailFirst)...\(lastIndex)")
    let start = head + (from - tailFirst)
    let limit = head + (through - tailFirst)
    // All of it, where all of it is small: the common case needs no look at each entry.
    if start == head && limit == slots.count - 1 && tailBytes <= maxBytes {
      return Array(slots[start...limit])
    }
    var bytes = slots[start].encodedSize
    var end = start
    while end < limit {
      bytes += slots[end + 1].encodedSize
      if bytes > maxBytes { break }
      end += 1
    }
    return Array(slots[start...end])
  }

  /// Lets the oldest entries go until the tail has at most `maxBytes`, but none behind `through`.
  mutating func evict(through: LogIndex, maxBytes: Int) {
    while tailBytes > maxBytes && tailCount > 0 && tailFirst <= through { releaseFirst() }
  }

  private mutating func releaseFirst() {
    tailBytes -= slots[head].encodedSize
    slots[head].payload = Bytes()
    head += 1
    if head == slots.count {
      slots.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 64 && head * 2 >= slots.count {
      slots.removeFirst(head)
      head = 0
    }
  }

  private mutating func releaseAll() {
    slots.removeAll(keepingCapacity: true)
    head = 0
    tailBytes = 0
  }
}
