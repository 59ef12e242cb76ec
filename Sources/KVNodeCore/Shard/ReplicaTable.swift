internal import KVBase

/// The replicas of a shard, by slot. A slot is used again when its replica has gone, under the next
/// generation, so that what comes late for the earlier one is told apart.
struct ReplicaTable: Sendable {
  private var groups: [RaftGroup] = []
  /// By slot.
  private var generations: [UInt32] = []
  private var isLive: [Bool] = []
  private var free: [Int] = []
  /// By group; -1: no replica here.
  private var slots: [Int32] = []
  /// By group: the generation that the next replica's state begins with, so that what was applied
  /// for an earlier one is told apart.
  private var nextStates: [Generation] = []

  /// Changed in place.
  subscript(slot: Int) -> RaftGroup {
    _read { yield groups[slot] }
    _modify { yield &groups[slot] }
  }

  /// Slots in use, in order.
  var live: LiveSlots { LiveSlots(isLive: isLive) }
  var isEmpty: Bool { free.count == groups.count }

  func isLive(_ slot: Int) -> Bool { isLive[slot] }

  func nextGeneration(of group: GroupID) -> Generation {
    let at = Int(group.rawValue)
    return at < nextStates.count ? nextStates[at] : Generation(1)
  }

  func slot(of group: GroupID) -> Int? {
    let at = Int(group.rawValue)
    guard at < slots.count, slots[at] >= 0 else { return nil }
    return Int(slots[at])
  }

  /// The slot that a handle names; `nil`: its replica has gone.
  func slot(of handle: ReplicaHandle) -> Int? {
    let slot = Int(handle.slot)
    guard slot < groups.count, isLive[slot], generations[slot] == handle.generation else {
      return nil
    }
    return slot
  }

  /// The handle of the replica that is added next.
  var nextHandle: ReplicaHandle {
    guard let slot = free.last else {
      return ReplicaHandle(slot: Int32(groups.count), generation: 0)
    }
    return ReplicaHandle(slot: Int32(slot), generation: generations[slot])
  }

  mutating func add(_ group: RaftGroup) {
    precondition(
      group.handle == nextHandle && slot(of: group.group) == nil,
      "\(group.group) is added as \(group.handle), and \(nextHandle) is next")
    if let slot = free.popLast() {
      groups[slot] = group
      isLive[slot] = true
    } else {
      groups.append(group)
      generations.append(0)
      isLive.append(true)
    }
    while slots.count <= Int(group.group.rawValue) { slots.append(-1) }
    slots[Int(group.group.rawValue)] = group.handle.slot
  }

  /// What the slot held stays in it until it is used again, and nothing reaches it.
  mutating func remove(_ slot: Int) {
    let group = Int(groups[slot].group.rawValue)
    while nextStates.count <= group { nextStates.append(Generation(1)) }
    nextStates[group] = groups[slot].highestGeneration.next
    slots[group] = -1
    isLive[slot] = false
    generations[slot] += 1
    free.append(slot)
  }

  struct LiveSlots: Sequence, IteratorProtocol {
    fileprivate let isLive: [Bool]
    private var position = 0

    fileprivate init(isLive: [Bool]) { self.isLive = isLive }

    mutating func next() -> Int? {
      while position < isLive.count {
        defer { position += 1 }
        if isLive[position] { return position }
      }
      return nil
    }
  }
}
