internal import KVBase

/// A sorted map of bytes to bytes in leaves of bounded size. A copy shares all leaves and costs one
/// array; a later change copies the leaf that it touches.
struct OrderedMap: Sendable {
  struct Record: Sendable {
    var key: Bytes
    var value: Bytes
  }

  private static var leafLimit: Int { 64 }

  /// None is empty; all keys of a leaf are below those of the next.
  private var leaves: [[Record]] = []
  private(set) var count = 0

  subscript(key: Bytes) -> Bytes? {
    guard let position = find(key) else { return nil }
    let record = leaves[position.leaf][position.slot]
    return record.key == key ? record.value : nil
  }

  mutating func set(_ key: Bytes, to value: Bytes) {
    guard !leaves.isEmpty else {
      leaves = [[Record(key: key, value: value)]]
      count = 1
      return
    }
    // A key above all others goes to the end of the last leaf.
    let position = find(key) ?? (leaves.count - 1, leaves[leaves.count - 1].count)
    if position.slot < leaves[position.leaf].count, leaves[position.leaf][position.slot].key == key
    {
      leaves[position.leaf][position.slot].value = value
      return
    }
    leaves[position.leaf].insert(Record(key: key, value: value), at: position.slot)
    count += 1
    if leaves[position.leaf].count > Self.leafLimit { split(position.leaf) }
  }

  private mutating func split(_ leaf: Int) {
    // Keys often come in order: a full last leaf is left nearly full.
    let kept = leaf == leaves.count - 1 ? Self.leafLimit : Self.leafLimit / 2
    let moved = Array(leaves[leaf][kept...])
    leaves[leaf].removeSubrange(kept...)
    leaves.insert(moved, at: leaf + 1)
  }

  mutating func remove(_ key: Bytes) {
    guard let position = find(key), leaves[position.leaf][position.slot].key == key else { return }
    leaves[position.leaf].remove(at: position.slot)
    if leaves[position.leaf].isEmpty { leaves.remove(at: position.leaf) }
    count -= 1
  }

  /// Removes `from` ≤ key < `to`.
  mutating func removeRange(from: Bytes, to: Bytes) {
    guard from < to, let first = find(from) else { return }
    let end = find(to) ?? (leaves.count, 0)
    if first.leaf == end.leaf {
      leaves[first.leaf].removeSubrange(first.slot..<end.slot)
      count -= end.slot - first.slot
      if leaves[first.leaf].isEmpty { leaves.remove(at: first.leaf) }
      return
    }
    var removed = leaves[first.leaf].count - first.slot
    leaves[first.leaf].removeSubrange(first.slot...)
    for leaf in first.leaf + 1..<end.leaf { removed += leaves[leaf].count }
    if end.leaf < leaves.count {
      leaves[end.leaf].removeSubrange(..<end.slot)
      removed += end.slot
    }
    leaves.removeSubrange(
      (leaves[first.leaf].isEmpty ? first.leaf : first.leaf + 1)..<end.leaf)
    count -= removed
  }

  /// Visits `from` ≤ key < `to` until `visit` answers false.
  func scan(
    from: Bytes, to: Bytes, descending: Bool, visit: (_ key: Bytes, _ value: Bytes) -> Bool
  ) {
    guard from < to, let first = find(from) else { return }
    let end = find(to) ?? (leaves.count, 0)
    let lastLeaf = end.slot > 0 ? end.leaf : end.leaf - 1
    guard first.leaf <= lastLeaf else { return }
    for step in 0...lastLeaf - first.leaf {
      let leaf = descending ? lastLeaf - step : first.leaf + step
      let low = leaf == first.leaf ? first.slot : 0
      let high = leaf == end.leaf ? end.slot : leaves[leaf].count
      guard low < high else { continue }
      for offset in 0..<high - low {
        let record = leaves[leaf][descending ? high - 1 - offset : low + offset]
        guard visit(record.key, record.value) else { return }
      }
    }
  }

  /// The first record at or above `key`; `nil` where all are below.
  private func find(_ key: Bytes) -> (leaf: Int, slot: Int)? {
    var low = 0
    var high = leaves.count
    while low < high {
      let middle = (low + high) / 2
      if leaves[middle][leaves[middle].count - 1].key < key {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < leaves.count else { return nil }
    let leaf = low
    low = 0
    high = leaves[leaf].count
    while low < high {
      let middle = (low + high) / 2
      if leaves[leaf][middle].key < key { low = middle + 1 } else { high = middle }
    }
    return (leaf, low)
  }
}
