/// When each slot is next due: a binary heap that knows where each slot stands, so that a slot has
/// one entry that can be moved and taken out. Ties go to the earlier insertion.
package struct DeadlineHeap: Sendable {
  private struct Item {
    var due: UInt64
    var order: UInt64
    var slot: Int32

    static func < (a: Item, b: Item) -> Bool {
      a.due != b.due ? a.due < b.due : a.order < b.order
    }
  }

  private var items: [Item] = []
  /// By slot; -1 where it has no entry.
  private var positions: [Int32] = []
  private var nextOrder: UInt64 = 0

  package init() {}

  package var first: Instant? { items.first.map { Instant(nanoseconds: $0.due) } }
  package var count: Int { items.count }

  /// Gives `slot` the time `due`, instead of any that it had.
  package mutating func set(_ slot: Int32, due: Instant) {
    while positions.count <= Int(slot) { positions.append(-1) }
    nextOrder += 1
    let item = Item(due: due.nanoseconds, order: nextOrder, slot: slot)
    let at = Int(positions[Int(slot)])
    if at < 0 {
      items.append(item)
      siftUp(items.count - 1, item)
    } else {
      items[at] = item
      restore(at, item)
    }
  }

  package mutating func remove(_ slot: Int32) {
    guard Int(slot) < positions.count, positions[Int(slot)] >= 0 else { return }
    let at = Int(positions[Int(slot)])
    positions[Int(slot)] = -1
    let last = items.removeLast()
    if at < items.count { restore(at, last) }
  }

  /// Takes out the earliest slot that is due at `now`.
  package mutating func popDue(_ now: Instant) -> Int32? {
    guard let first = items.first, first.due <= now.nanoseconds else { return nil }
    remove(first.slot)
    return first.slot
  }

  private mutating func restore(_ at: Int, _ item: Item) {
    if at > 0, item < items[(at - 1) / 2] { siftUp(at, item) } else { siftDown(at, item) }
  }

  private mutating func siftUp(_ start: Int, _ item: Item) {
    var at = start
    while at > 0, item < items[(at - 1) / 2] {
      store(items[(at - 1) / 2], at)
      at = (at - 1) / 2
    }
    store(item, at)
  }

  private mutating func siftDown(_ start: Int, _ item: Item) {
    var at = start
    while true {
      var child = 2 * at + 1
      guard child < items.count else { break }
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      guard items[child] < item else { break }
      store(items[child], at)
      at = child
    }
    store(item, at)
  }

  private mutating func store(_ item: Item, _ at: Int) {
    items[at] = item
    positions[Int(item.slot)] = Int32(at)
  }
}
