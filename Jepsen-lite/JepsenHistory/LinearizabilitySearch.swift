/// One search over the operations of one key.
struct LinearizabilitySearch {
  enum End { case found, exhausted, givenUp }

  private struct Event {
    var step: Int
    var isReturn: Bool
  }

  /// What was linearized, and the state that it led to.
  private struct Configuration: Hashable {
    var linearized: [UInt64]
    var state: Int64
  }

  private struct Choice {
    var event: Int
    var state: Int64
  }

  private let steps: [LinearizabilityStep]
  private let maximumSteps: Int
  private var events: [Event]
  /// A doubly linked list through `events`: what is linearized is lifted out of it and put back
  /// in reverse order, so that nothing is searched for. The last place is the list's head.
  private var next: [Int]
  private var previous: [Int]
  private var callAt: [Int]
  private var returnAt: [Int]
  /// Of steps with unknown outcomes that do the same, only the earliest that is left may go next:
  /// they stand for each other, and the earliest is the least bound.
  private var mustFollow: [Int]
  /// The step whose return stopped the search furthest into the history.
  private(set) var deepestReturn: Int?
  private var deepestEvent = -1

  init(_ steps: [LinearizabilityStep], maximumSteps: Int) {
    self.steps = steps
    self.maximumSteps = maximumSteps
    var keyed: [(time: UInt64, event: Event)] = []
    for (index, step) in steps.enumerated() {
      keyed.append((step.start, Event(step: index, isReturn: false)))
      if let end = step.end { keyed.append((end, Event(step: index, isReturn: true))) }
    }
    // Closed intervals: at one instant the calls come first.
    keyed.sort {
      if $0.time != $1.time { return $0.time < $1.time }
      if $0.event.isReturn != $1.event.isReturn { return !$0.event.isReturn }
      return $0.event.step < $1.event.step
    }
    events = keyed.map(\.event)
    let head = events.count
    next = (0...head).map { $0 == head ? 0 : $0 + 1 }
    previous = (0...head).map { $0 == 0 ? head : $0 - 1 }
    callAt = Array(repeating: -1, count: steps.count)
    returnAt = Array(repeating: -1, count: steps.count)
    for (place, event) in events.enumerated() {
      if event.isReturn { returnAt[event.step] = place } else { callAt[event.step] = place }
    }
    mustFollow = Array(repeating: -1, count: steps.count)
    var latest: [LinearizabilityStep.Action: Int] = [:]
    for event in events where !event.isReturn && steps[event.step].end == nil {
      mustFollow[event.step] = latest[steps[event.step].action] ?? -1
      latest[steps[event.step].action] = event.step
    }
  }

  mutating func run() -> End {
    let head = events.count
    var open = steps.reduce(0) { $0 + ($1.end == nil ? 0 : 1) }
    var current = Configuration(
      linearized: Array(repeating: 0, count: (steps.count + 63) / 64), state: 0)
    var seen: Set<Configuration> = []
    var choices: [Choice] = []
    var place = next[head]
    var work = 0
    while open > 0 {
      work += 1
      if work > maximumSteps { return .givenUp }
      if place != head && !events[place].isReturn {
        let step = events[place].step
        let first = mustFollow[step]
        let isNext =
          first < 0 || current.linearized[first / 64] & (1 << UInt64(first % 64)) != 0
        if isNext, let state = steps[step].next(after: current.state) {
          let before = current.state
          current.linearized[step / 64] |= 1 << UInt64(step % 64)
          current.state = state
          if seen.insert(current).inserted {
            choices.append(Choice(event: place, state: before))
            lift(step)
            if steps[step].end != nil { open -= 1 }
            place = next[head]
            continue
          }
          current.linearized[step / 64] &= ~(1 << UInt64(step % 64))
          current.state = before
        }
        place = next[place]
        continue
      }
      if place != head, place > deepestEvent {
        deepestEvent = place
        deepestReturn = events[place].step
      }
      guard let choice = choices.popLast() else { return .exhausted }
      let step = events[choice.event].step
      current.linearized[step / 64] &= ~(1 << UInt64(step % 64))
      current.state = choice.state
      putBack(step)
      if steps[step].end != nil { open += 1 }
      place = next[choice.event]
    }
    return .found
  }

  private mutating func lift(_ step: Int) {
    unlink(callAt[step])
    if returnAt[step] >= 0 { unlink(returnAt[step]) }
  }

  private mutating func putBack(_ step: Int) {
    if returnAt[step] >= 0 { link(returnAt[step]) }
    link(callAt[step])
  }

  private mutating func unlink(_ place: Int) {
    next[previous[place]] = next[place]
    previous[next[place]] = previous[place]
  }

  private mutating func link(_ place: Int) {
    next[previous[place]] = place
    previous[next[place]] = place
  }
}
