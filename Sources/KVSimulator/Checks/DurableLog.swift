import KVBase

/// What the disk of one replica has durably: what a finished sync covers, whatever the node was
/// told of it. An entry that a write has begun to replace is no longer counted, since either may be
/// found after a loss of power.
struct DurableLog: Sendable {
  private enum Write: Sendable {
    case entries(from: UInt64, [EntryMark])
    case reset(base: UInt64, Generation)
    case hardState(HardState)
    case removed

    var isReset: Bool {
      switch self {
      case .reset, .removed: true
      case .entries, .hardState: false
      }
    }
  }

  private(set) var base: UInt64 = 0
  /// From `base` + 1 on.
  private var marks: [EntryMark] = []
  private(set) var generation: Generation?
  private(set) var hardState = HardState()
  /// Handed to the log, in order, with the number of the persist.
  private var pending: [(number: UInt64, write: Write)] = []

  var last: UInt64 { base + UInt64(marks.count) }
  var hasPending: Bool { !pending.isEmpty }

  // MARK: What is handed to the log

  mutating func writes(_ number: UInt64, _ entries: [EntryMark], from index: UInt64) {
    // After a reset on its way, entries belong to the log that it begins.
    if !pending.contains(where: { $0.write.isReset }) { truncate(from: index) }
    for at in pending.indices {
      guard case .entries(let from, let marks) = pending[at].write else { continue }
      guard from + UInt64(marks.count) > index else { continue }
      pending[at].write = .entries(from: from, Array(marks.prefix(Int(max(index, from) - from))))
    }
    pending.append((number, .entries(from: index, entries)))
  }

  mutating func resets(_ number: UInt64, base: UInt64, _ generation: Generation) {
    pending.append((number, .reset(base: base, generation)))
  }

  mutating func votes(_ number: UInt64, _ state: HardState) {
    pending.append((number, .hardState(state)))
  }

  mutating func removes(_ number: UInt64) { pending.append((number, .removed)) }

  private mutating func truncate(from index: UInt64) {
    guard index > base, index <= last else { return }
    marks.removeLast(Int(last - index + 1))
  }

  // MARK: What the disk has done

  /// A sync that covered the persists up to `number` has ended well.
  mutating func synced(_ number: UInt64) {
    var done = 0
    while done < pending.count, pending[done].number <= number {
      switch pending[done].write {
      case .entries(let from, let entries):
        truncate(from: from)
        if from == last + 1 { marks += entries }
      case .reset(let base, let generation):
        self.base = base
        self.generation = generation
        marks = []
      case .hardState(let state): hardState = state
      case .removed:
        base = 0
        marks = []
        generation = nil
      }
      done += 1
    }
    pending.removeFirst(done)
  }

  // MARK: A start

  /// The first index whose entry is found to be another one than was durable.
  func firstDifference(foundAfter foundBase: UInt64, _ found: [EntryMark]) -> UInt64? {
    let through = min(last, foundBase + UInt64(found.count))
    var index = max(base, foundBase) + 1
    while index <= through {
      if marks[Int(index - base - 1)] != found[Int(index - foundBase - 1)] { return index }
      index += 1
    }
    return nil
  }

  /// Opening a log makes durable what it finds.
  mutating func recover(
    base: UInt64, _ found: [EntryMark], _ hardState: HardState, _ generation: Generation
  ) {
    self.base = base
    marks = found
    self.hardState = hardState
    self.generation = generation
    pending = []
  }
}
