internal import KVBase

/// A value for each group, in an array without gaps: whoever changes one in place looks its slot up
/// once. A slot is valid until the next removal.
struct GroupSlots<Value> {
  private var slotOf: [GroupID: Int] = [:]
  private(set) var groups: [GroupID] = []
  private var values: [Value] = []

  func slot(of group: GroupID) -> Int? { slotOf[group] }

  subscript(slot slot: Int) -> Value {
    get { values[slot] }
    _modify { yield &values[slot] }
  }

  subscript(group: GroupID) -> Value? { slotOf[group].map { values[$0] } }

  mutating func set(_ group: GroupID, to value: Value) {
    if let slot = slotOf[group] {
      values[slot] = value
      return
    }
    slotOf[group] = values.count
    groups.append(group)
    values.append(value)
  }

  /// The last one takes the slot of the one that is removed.
  mutating func remove(_ group: GroupID) {
    guard let slot = slotOf.removeValue(forKey: group) else { return }
    let last = values.count - 1
    values.swapAt(slot, last)
    groups.swapAt(slot, last)
    values.removeLast()
    groups.removeLast()
    if slot < last { slotOf[groups[slot]] = slot }
  }
}

extension GroupSlots: Sendable where Value: Sendable {}
