/// What is open at one position of a search space; moves by one position at a time, in both
/// directions.
struct SearchCursor {
  private(set) var position = 0
  /// By slot: the operation with a known outcome that is open there, or -1.
  private(set) var open: [Int32]
  /// The slots of open operations that never change the state, and of all others.
  private(set) var observations: [UInt64]
  private(set) var updates: [UInt64]
  /// Of the updates, those that are possible everywhere and lead to the same state.
  private(set) var blind: [UInt64]
  /// By slot of classes: the class that is of use, or -1.
  private(set) var classes: [Int32]
  /// The slots of classes in use; none of the others needs to be looked at.
  private(set) var liveClassSlots: [Int32] = []
  private var births = 0
  private var deaths = 0
  private let isObservation: [Bool]
  private let isBlind: [Bool]

  init<Model: SearchModel>(_ space: SearchSpace, model: Model) {
    open = Array(repeating: -1, count: space.slotCount)
    observations = Array(repeating: 0, count: space.slotWords)
    updates = observations
    blind = observations
    classes = Array(repeating: -1, count: space.classSlotCount)
    isObservation = space.actions.map { model.isObservation(Int($0)) }
    isBlind = space.actions.map { model.isBlind(Int($0)) }
    if !space.returns.isEmpty { openCalls(space) }
  }

  mutating func move(to target: Int, _ space: SearchSpace) {
    while position < target { stepForward(space) }
    while position > target { stepBack(space) }
  }

  private mutating func stepForward(_ space: SearchSpace) {
    leave(space.returns[position], space)
    while deaths < space.deaths.count && space.deaths[deaths].position == position {
      setClass(space, space.deaths[deaths].number, isLive: false)
      deaths += 1
    }
    position += 1
    if position < space.returns.count { openCalls(space) }
  }

  private mutating func openCalls(_ space: SearchSpace) {
    for index in Int(space.openedFrom[position])..<Int(space.openedFrom[position + 1]) {
      enter(space.opened[index], space)
    }
    while births < space.births.count && space.births[births].position == position {
      setClass(space, space.births[births].number, isLive: true)
      births += 1
    }
  }

  private mutating func stepBack(_ space: SearchSpace) {
    if position < space.returns.count {
      for index in Int(space.openedFrom[position])..<Int(space.openedFrom[position + 1]) {
        leave(space.opened[index], space)
      }
      while births > 0 && space.births[births - 1].position == position {
        births -= 1
        setClass(space, space.births[births].number, isLive: false)
      }
    }
    position -= 1
    while deaths > 0 && space.deaths[deaths - 1].position == position {
      deaths -= 1
      setClass(space, space.deaths[deaths].number, isLive: true)
    }
    enter(space.returns[position], space)
  }

  private mutating func enter(_ operation: Int32, _ space: SearchSpace) {
    let slot = Int(space.slots[Int(operation)])
    open[slot] = operation
    let bit: UInt64 = 1 << UInt64(slot & 63)
    if isObservation[Int(operation)] {
      observations[slot >> 6] |= bit
    } else {
      updates[slot >> 6] |= bit
      if isBlind[Int(operation)] { blind[slot >> 6] |= bit }
    }
  }

  private mutating func leave(_ operation: Int32, _ space: SearchSpace) {
    let slot = Int(space.slots[Int(operation)])
    open[slot] = -1
    let bit: UInt64 = 1 << UInt64(slot & 63)
    observations[slot >> 6] &= ~bit
    updates[slot >> 6] &= ~bit
    blind[slot >> 6] &= ~bit
  }

  private mutating func setClass(_ space: SearchSpace, _ number: Int, isLive: Bool) {
    let slot = space.classes[number].slot
    classes[slot] = isLive ? Int32(number) : -1
    if isLive {
      liveClassSlots.append(Int32(slot))
    } else {
      liveClassSlots.removeAll { $0 == Int32(slot) }
    }
  }
}
