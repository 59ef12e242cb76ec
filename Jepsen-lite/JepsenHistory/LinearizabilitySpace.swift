/// The operations of one key, laid out for the searches. All of it is fixed before they begin.
///
/// Time is counted in returns: position r is the moment just before the r-th return. An operation
/// with a known outcome is open from the first position after its call to its own return, and has a
/// slot for that time: slots are used again, so that there are only as many as operations are open
/// at once. Operations with unknown outcomes never return. Those that do the same form a class, and
/// a configuration only counts how many of a class took effect: they stand for each other, and the
/// earliest goes first since it is the least bound.
struct SearchSpace: Sendable {
  struct Input: Sendable {
    var action: Int32
    var start: UInt64
    /// `nil`: unknown outcome.
    var end: UInt64?
    /// It happened by its end, or never.
    var isOptional = false
  }

  struct Class: Sendable {
    var action: Int
    /// From which positions on the members may take effect, rising.
    var born: [Int32]
    /// The positions at which something may still make use of it: none outside.
    var first: Int
    var last: Int
    var slot = 0
  }

  let actions: [Int32]
  /// Operations with known outcomes in the order of their returns.
  let returns: [Int32]
  /// By operation: its place in `returns`; -1 where the outcome is unknown.
  let returnPosition: [Int32]
  let slots: [Int32]
  let slotCount: Int
  /// Operations with known outcomes in the order of their calls, and where those of each position
  /// begin.
  let opened: [Int32]
  let openedFrom: [Int32]
  /// By operation: it may be left out. Empty where none may.
  let optional: [Bool]
  let classes: [Class]
  let classSlotCount: Int
  /// By action: the last position at which an operation may need the state that it leads to.
  let usefulUntil: [Int32]
  /// By state: the last position at which an operation speaks of it. Empty where the model's states
  /// aren't small numbers that operations name.
  let mentionedUntil: [Int32]
  /// By state: the last position at which an operation must not find it.
  let excludedUntil: [Int32]
  /// Class numbers by first and by last position.
  let births: [(position: Int, number: Int)]
  let deaths: [(position: Int, number: Int)]

  var slotWords: Int { (slotCount + 63) / 64 }
  /// State, position, two bits for each slot, a count for each class.
  var stride: Int { 2 + slotWords * 2 + classSlotCount }

  init<Model: SearchModel>(_ input: [Input], model: Model) {
    actions = input.map(\.action)
    optional = input.contains { $0.isOptional } ? input.map(\.isOptional) : []
    let timeline = Timeline(input)
    returns = timeline.returns
    returnPosition = timeline.returnPosition
    opened = timeline.opened
    openedFrom = timeline.openedFrom
    (slots, slotCount) = timeline.slots(count: input.count)
    let usage = StateUsage(input, timeline, model)
    var classes = usage.classes
    usefulUntil = usage.usefulUntil
    mentionedUntil = usage.mentionedUntil
    excludedUntil = usage.excludedUntil
    let positions = timeline.returns.count
    births = classes.indices.map { (classes[$0].first, $0) }.sorted { $0 < $1 }
    deaths = classes.indices.map { (classes[$0].last, $0) }.sorted { $0 < $1 }
    // Slots for the classes, as for the operations.
    var free: [Int] = []
    var count = 0
    var born = 0
    var died = 0
    for position in 0..<positions where !classes.isEmpty {
      while born < births.count && births[born].position == position {
        if let slot = free.popLast() {
          classes[births[born].number].slot = slot
        } else {
          classes[births[born].number].slot = count
          count += 1
        }
        born += 1
      }
      while died < deaths.count && deaths[died].position == position {
        free.append(classes[deaths[died].number].slot)
        died += 1
      }
    }
    self.classes = classes
    classSlotCount = count
  }
}

/// Calls and returns in order of time.
struct Timeline {
  var returns: [Int32] = []
  var returnPosition: [Int32]
  /// By operation: the first position after its call.
  var born: [Int32]
  var opened: [Int32] = []
  var openedFrom: [Int32]
  /// All operations by their call.
  var calls: [Int32]

  init(_ input: [SearchSpace.Input]) {
    calls = Self.sorted(input.indices.map { ($0, input[$0].start) })
    returns = Self.sorted(
      input.indices.compactMap { index in input[index].end.map { (index, $0) } })
    returnPosition = Array(repeating: -1, count: input.count)
    for (position, operation) in returns.enumerated() {
      returnPosition[Int(operation)] = Int32(position)
    }
    born = Array(repeating: 0, count: input.count)
    openedFrom = []
    openedFrom.reserveCapacity(returns.count + 2)
    opened.reserveCapacity(returns.count)
    var position = 0
    for operation in calls {
      let start = input[Int(operation)].start
      // Closed intervals: at one instant the calls come first.
      while position < returns.count, let end = input[Int(returns[position])].end, end < start {
        position += 1
      }
      born[Int(operation)] = Int32(position)
      guard input[Int(operation)].end != nil else { continue }
      while openedFrom.count <= position { openedFrom.append(Int32(opened.count)) }
      opened.append(operation)
    }
    while openedFrom.count <= returns.count + 1 { openedFrom.append(Int32(opened.count)) }
  }

  private static func sorted(_ keyed: [(Int, UInt64)]) -> [Int32] {
    var keyed = keyed
    var isSorted = true
    for index in keyed.indices.dropFirst() where keyed[index - 1].1 > keyed[index].1 {
      isSorted = false
      break
    }
    if !isSorted { keyed.sort { ($0.1, $0.0) < ($1.1, $1.0) } }
    return keyed.map { Int32($0.0) }
  }

  func slots(count: Int) -> (slots: [Int32], count: Int) {
    var slots: [Int32] = Array(repeating: -1, count: count)
    var free: [Int32] = []
    var used: Int32 = 0
    for position in returns.indices {
      for operation in opened[Int(openedFrom[position])..<Int(openedFrom[position + 1])] {
        if let slot = free.popLast() {
          slots[Int(operation)] = slot
        } else {
          slots[Int(operation)] = used
          used += 1
        }
      }
      free.append(slots[Int(returns[position])])
    }
    return (slots, Int(used))
  }
}
