internal import KVBase

/// A replica's log: its outline (begin, end, terms, configurations), and a tail of entries in
/// memory.
///
/// Entries before the tail are in the store only. The owner evicts nothing that is not yet durable,
/// since nothing else could give it back.
///
/// Invariant: the tail is a suffix of the log, and its terms are those of the outline.
struct RaftLog: Sendable {
  private(set) var outline: LogOutline
  /// The tail is `slots[head...]`. What lies before `head` was evicted, and is removed in one step
  /// once it is half of the array.
  private var slots: [LogEntry] = []
  private var head = 0
  /// Encoded size of the tail.
  private(set) var tailBytes = 0

  /// A log whose entries are all in the store.
  init(_ outline: LogOutline) { self.outline = outline }

  /// The entry before the first one that the log can still say something about.
  var baseIndex: LogIndex { outline.baseIndex }
  var lastIndex: LogIndex { outline.lastIndex }
  var lastTerm: Term { outline.lastTerm }
  var tailCount: Int { slots.count - head }
  /// The first entry in memory; the index after `lastIndex` where there is none.
  var tailFirst: LogIndex { LogIndex(lastIndex.rawValue + 1 - UInt64(tailCount)) }

  /// The term of an entry; `nil` before the base and after the end.
  func term(at index: LogIndex) -> Term? { outline.term(at: index) }

  /// The highest index up to `index` whose term is at most `term`: where two logs may agree.
  func highestIndex(upTo index: LogIndex, termAtMost term: Term) -> LogIndex {
    outline.highestIndex(upTo: index, termAtMost: term)
  }

  /// `configuration` is what the entry carries, where it is of that kind.
  mutating func append(_ entry: consuming LogEntry, configuration: GroupConfiguration? = nil) {
    outline.append(index: entry.index, term: entry.term, configuration: configuration)
    tailBytes += entry.encodedSize
    slots.append(entry)
  }

  /// Removes every entry after `index`. True where a configuration went with them.
  @discardableResult
  mutating func truncate(after index: LogIndex) -> Bool {
    let remaining = max(0, tailCount - max(0, lastIndex - index))
    let rollsBack = outline.truncate(after: index)
    while tailCount > remaining { tailBytes -= slots.removeLast().encodedSize }
    if tailCount == 0 { evictAll() }
    return rollsBack
  }

  /// The store no longer keeps entries up to and including `index`.
  mutating func compact(through index: LogIndex) {
    guard index > baseIndex else { return }
    while tailCount > 0 && tailFirst <= index { evictFirst() }
    outline.compact(through: index)
  }

  /// Begins anew after a snapshot.
  mutating func reset(index: LogIndex, term: Term, configuration: GroupConfiguration) {
    evictAll()
    outline = LogOutline(baseIndex: index, baseTerm: term, configuration: configuration)
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

  /// Gives these entries of the tail, from `from` on, one buffer of their own where they are small
  /// parts of larger ones: what a connection read at one time. Else the tail would hold on to all
  /// that came with them, which may be a hundred times as much.
  mutating func detach(_ entries: inout [LogEntry], from: LogIndex) {
    var bytes = 0
    var count = 0
    for position in entries.indices where entries[position].payload.isSmallPart {
      bytes += entries[position].payload.count
      count += 1
    }
    guard count > 0 else { return }
    var writer = ByteWriter(capacity: bytes)
    for position in entries.indices where entries[position].payload.isSmallPart {
      writer.append(raw: entries[position].payload)
    }
    let buffer = writer.take()
    var offset = 0
    let first = head + (from - tailFirst)
    for position in entries.indices where entries[position].payload.isSmallPart {
      let count = entries[position].payload.count
      entries[position].payload = buffer[offset..<offset + count]
      slots[first + position].payload = entries[position].payload
      offset += count
    }
  }

  /// What the buffers take that the tail holds on to, each counted once. For tests: what bounds it.
  var heldBytes: Int {
    var bytes = 0
    for position in head..<slots.count {
      let payload = slots[position].payload
      guard position == head || !payload.sharesBuffer(with: slots[position - 1].payload) else {
        continue
      }
      bytes += payload.bufferCount
    }
    return bytes
  }

  /// Evicts the oldest entries until the tail has at most `maxBytes`, but none after `through`.
  mutating func evict(through: LogIndex, maxBytes: Int) {
    while tailBytes > maxBytes && tailCount > 0 && tailFirst <= through { evictFirst() }
  }

  private mutating func evictFirst() {
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

  private mutating func evictAll() {
    slots.removeAll(keepingCapacity: true)
    head = 0
    tailBytes = 0
  }

  /// What must always be true of it; `nil` where it is.
  var brokenInvariant: String? {
    if let broken = outline.brokenInvariant { return broken }
    var bytes = 0
    for position in head..<slots.count {
      let index = tailFirst + (position - head)
      if slots[position].index != index { return "entry \(slots[position].index) at \(index)" }
      if term(at: index) != slots[position].term {
        return "entry \(index) of term \(slots[position].term)"
      }
      bytes += slots[position].encodedSize
    }
    return bytes == tailBytes ? nil : "a tail of \(bytes) bytes, counted \(tailBytes)"
  }
}

/// Entries cut out of the log once in a turn: the persist and most followers need the same.
struct EntryBatch: Sendable {
  let entries: [LogEntry]
  let bytes: Int

  init() {
    entries = []
    bytes = 0
  }

  init(_ entries: [LogEntry]) {
    self.entries = entries
    var bytes = 0
    for position in entries.indices { bytes += entries[position].encodedSize }
    self.bytes = bytes
  }

  /// True where these are what one message from `first` on should carry.
  func suits(from first: LogIndex, maxBytes: Int) -> Bool {
    guard !entries.isEmpty, entries[0].index == first else { return false }
    return bytes <= maxBytes || entries.count == 1
  }
}
