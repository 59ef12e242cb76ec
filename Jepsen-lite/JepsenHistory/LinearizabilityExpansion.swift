/// What both searches share: how a configuration goes on.
///
/// A configuration at position r has every operation before r in it, some of those that are open at
/// r, and a number of each class of unknown ones. Operations are linearized just in time (Lowe,
/// "Testing for linearizability", 2017): only while the operation that returns at r is missing.
/// That loses nothing, since whatever else comes first in an order may as well come after the
/// return before.
///
/// A blind write that nobody sees costs nothing either, and is not chosen: when one is linearized,
/// every other that is open could stand just before it, overwritten at once. So it becomes hidden:
/// from then on it may count as done or may still be linearized, as it turns out. Linearizing a
/// blind write before the operation that returns is then needed only where something sees it; else
/// it may as well come after that return, or be hidden.
///
/// Two things follow that are easily missed. A blind write of the present state is not idle: it
/// hides others, as a delete of an absent key hides a write that was under way. And one that is
/// hidden as it returns can still be wanted for the state that it ends: not only the present one,
/// but any that stands if it is left out.
///
/// So a slot has two bits: that an update is linearized, and that an operation is free, which is an
/// observation that is linearized or a blind write that is hidden. It is never worse to have more
/// of the latter.
struct SearchExpansion<Model: SearchModel> {
  struct Candidate {
    var action: Int
    /// A slot of an operation, or of a class.
    var slot: Int
    var isOfClass: Bool
    var state: Int64
  }

  let space: SearchSpace
  var model: Model
  var cursor: SearchCursor
  private(set) var candidates: [Candidate] = []
  private let firstFreeWord: Int
  private let firstClassWord: Int
  /// Of states that no operation speaks of any more, each is as good as the other.
  private let forgotten = UInt64(bitPattern: -1)

  init(_ space: SearchSpace, _ model: Model) {
    self.space = space
    self.model = model
    cursor = SearchCursor(space, model: model)
    firstFreeWord = 2 + space.slotWords
    firstClassWord = 2 + space.slotWords * 2
  }

  func initial(_ state: Int64) -> [UInt64] {
    var words: [UInt64] = Array(repeating: 0, count: space.stride)
    words[0] = UInt64(bitPattern: state)
    return words
  }

  func hasReturning(_ words: [UInt64]) -> Bool {
    let slot = Int(space.slots[Int(space.returns[cursor.position])])
    let bit: UInt64 = 1 << UInt64(slot & 63)
    return
      (words[2 + slot >> 6] | words[firstFreeWord + slot >> 6] & cursor.observations[slot >> 6])
      & bit != 0
  }

  /// Whether the operation that returns can have been overwritten at once by another, or left out.
  func mayHideReturning(_ words: [UInt64]) -> Bool {
    let returning = Int(space.returns[cursor.position])
    if !space.optional.isEmpty && space.optional[returning] { return true }
    let slot = Int(space.slots[returning])
    return words[firstFreeWord + slot >> 6] & cursor.blind[slot >> 6] & (1 << UInt64(slot & 63))
      != 0
  }

  /// Whether anything that is still to be explained can make use of the effect of the operation
  /// that returns: needs its state, or must not find the state that would stand instead.
  ///
  /// Without it, what stands until the next update is the present state, what another operation
  /// that is open has led to in the meantime, or a blind write that this one would have hidden.
  func isReturningOfUse(_ words: [UInt64]) -> Bool {
    let returning = Int(space.returns[cursor.position])
    if Int(space.usefulUntil[Int(space.actions[returning])]) >= cursor.position { return true }
    if space.excludedUntil.isEmpty { return false }
    if isExcluded(Int64(bitPattern: words[0])) { return true }
    for word in cursor.updates.indices {
      var pending = cursor.updates[word] & ~words[2 + word]
      while pending != 0 {
        let operation = Int(cursor.open[word << 6 + pending.trailingZeroBitCount])
        pending &= pending - 1
        if operation != returning, leadsToExcluded(Int(space.actions[operation])) { return true }
      }
    }
    return cursor.liveClassSlots.contains { slot in
      let kind = space.classes[Int(cursor.classes[Int(slot)])]
      let used = Int(words[firstClassWord + Int(slot)])
      return used < kind.born.count && Int(kind.born[used]) <= cursor.position
        && leadsToExcluded(kind.action)
    }
  }

  private func leadsToExcluded(_ action: Int) -> Bool {
    model.produced(by: action).map { isExcluded($0) } ?? false
  }

  /// Whether an operation that has not returned yet must not find the state.
  private func isExcluded(_ state: Int64) -> Bool {
    state >= 0 && state < Int64(space.excludedUntil.count)
      && Int(space.excludedUntil[Int(state)]) >= cursor.position
  }

  /// Takes in every open observation that fits the state. An order that has it later can have it
  /// here: it is open, and changes nothing for the others. Answers whether there was one.
  @discardableResult
  mutating func observe(_ words: inout [UInt64]) -> Bool {
    let state = Int64(bitPattern: words[0])
    var found = false
    for word in cursor.observations.indices {
      var pending = cursor.observations[word] & ~words[firstFreeWord + word]
      while pending != 0 {
        let bit = pending.trailingZeroBitCount
        pending &= pending - 1
        let operation = Int(cursor.open[word << 6 + bit])
        if model.next(Int(space.actions[operation]), after: state) != nil {
          words[firstFreeWord + word] |= 1 << UInt64(bit)
          found = true
        }
      }
    }
    return found
  }

  /// Moves a configuration that has the returning operation to the next position.
  func pass(_ words: inout [UInt64]) {
    let slot = Int(space.slots[Int(space.returns[cursor.position])])
    words[2 + slot >> 6] &= ~(1 << UInt64(slot & 63))
    words[firstFreeWord + slot >> 6] &= ~(1 << UInt64(slot & 63))
    if !space.mentionedUntil.isEmpty && words[0] != forgotten {
      let state = Int(Int64(bitPattern: words[0]))
      if state >= space.mentionedUntil.count
        || Int(space.mentionedUntil[state]) <= cursor.position
      {
        words[0] = forgotten
      }
    }
    words[1] = UInt64(cursor.position + 1)
    for slot in cursor.liveClassSlots where words[firstClassWord + Int(slot)] != 0 {
      if space.classes[Int(cursor.classes[Int(slot)])].last == cursor.position {
        words[firstClassWord + Int(slot)] = 0
      }
    }
  }

  /// Finds what may be linearized next, the returning operation first.
  mutating func collect(_ words: [UInt64]) {
    candidates.removeAll(keepingCapacity: true)
    let returning = Int(space.returns[cursor.position])
    let state = Int64(bitPattern: words[0])
    let action = Int(space.actions[returning])
    if model.commutes(action), !awaitsObservation(words),
      let after = model.next(action, after: state)
    {
      candidates.append(
        Candidate(
          action: action, slot: Int(space.slots[returning]), isOfClass: false, state: after))
      return
    }
    collectOpen(words, state)
    if let first = candidates.firstIndex(where: {
      $0.slot == Int(space.slots[returning])
    }) {
      candidates.swapAt(0, first)
    }
    let open = candidates.count
    for slot in cursor.liveClassSlots {
      let kind = space.classes[Int(cursor.classes[Int(slot)])]
      let used = Int(words[firstClassWord + Int(slot)])
      guard used < kind.born.count, Int(kind.born[used]) <= cursor.position,
        let after = model.next(kind.action, after: state),
        after != state || model.isBlind(kind.action) && canHideMore(words)
      else { continue }
      // Where an operation that must end does the same, it goes first.
      if candidates[..<open].contains(where: { $0.action == kind.action }) { continue }
      candidates.append(
        Candidate(action: kind.action, slot: Int(slot), isOfClass: true, state: after))
    }
  }

  /// Whether a blind write is open that another one would hide.
  private func canHideMore(_ words: [UInt64]) -> Bool {
    for word in cursor.blind.indices
    where cursor.blind[word] & ~(words[2 + word] | words[firstFreeWord + word]) != 0 { return true }
    return false
  }

  /// Of open operations that do the same, only the one that returns first: in an order that has
  /// another before it, the two can change places.
  private mutating func collectOpen(_ words: [UInt64], _ state: Int64) {
    for word in cursor.updates.indices {
      var pending = cursor.updates[word] & ~words[2 + word]
      while pending != 0 {
        let slot = word << 6 + pending.trailingZeroBitCount
        pending &= pending - 1
        let operation = Int(cursor.open[slot])
        let action = Int(space.actions[operation])
        guard let after = model.next(action, after: state) else { continue }
        let candidate = Candidate(action: action, slot: slot, isOfClass: false, state: after)
        if let same = candidates.firstIndex(where: { $0.action == action }) {
          let other = Int(cursor.open[candidates[same].slot])
          if space.returnPosition[operation] < space.returnPosition[other] {
            candidates[same] = candidate
          }
        } else {
          candidates.append(candidate)
        }
      }
    }
  }

  private func awaitsObservation(_ words: [UInt64]) -> Bool {
    for word in cursor.observations.indices
    where cursor.observations[word] & ~words[firstFreeWord + word] != 0 { return true }
    return false
  }

  /// Makes `target` the configuration after `candidate`. False where it leads to nothing: its
  /// effect is not needed now, and nothing open can see it before it is overwritten.
  mutating func apply(
    _ candidate: Candidate, to words: [UInt64], into target: inout [UInt64]
  ) -> Bool {
    for word in words.indices { target[word] = words[word] }
    target[0] = UInt64(bitPattern: candidate.state)
    if candidate.isOfClass {
      target[firstClassWord + candidate.slot] += 1
    } else {
      target[2 + candidate.slot >> 6] |= 1 << UInt64(candidate.slot & 63)
    }
    let isBlind = model.isBlind(candidate.action)
    for word in cursor.blind.indices {
      if isBlind { target[firstFreeWord + word] |= cursor.blind[word] }
      target[firstFreeWord + word] &= ~target[2 + word]
    }
    let returning = Int(space.slots[Int(space.returns[cursor.position])])
    let isReturning = !candidate.isOfClass && candidate.slot == returning
    if !isReturning {
      // Where the returning one is to be hidden, this one may come after the return.
      target[firstFreeWord + returning >> 6] &= ~(1 << UInt64(returning & 63))
    }
    let wasSeen = observe(&target)
    let isOptional = candidate.isOfClass || isBlind && !isReturning
    return !isOptional || wasSeen || isOfUse(candidate.state, target)
  }

  private mutating func isOfUse(_ state: Int64, _ words: [UInt64]) -> Bool {
    for word in cursor.updates.indices {
      var pending = cursor.updates[word] & ~words[2 + word]
      while pending != 0 {
        let slot = word << 6 + pending.trailingZeroBitCount
        pending &= pending - 1
        let action = Int(space.actions[Int(cursor.open[slot])])
        if !model.isBlind(action), model.next(action, after: state) != nil { return true }
      }
    }
    for slot in cursor.liveClassSlots {
      let kind = space.classes[Int(cursor.classes[Int(slot)])]
      let used = Int(words[firstClassWord + Int(slot)])
      if used < kind.born.count, Int(kind.born[used]) <= cursor.position,
        !model.isBlind(kind.action),
        model.next(kind.action, after: state) != nil
      {
        return true
      }
    }
    return false
  }
}
