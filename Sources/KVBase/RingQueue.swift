/// A first-in-first-out queue with a fixed limit. Memory grows by doubling up to the limit and is
/// kept; what is taken out is released at once.
@frozen
@usableFromInline
package struct RingQueue<Element> {
  @usableFromInline var slots: [Element?]
  @usableFromInline var head: Int
  @usableFromInline package var count: Int
  @usableFromInline package let limit: Int

  /// An empty queue of at most `limit` elements.
  @inlinable
  package init(limit: Int) {
    precondition(limit > 0, "limit \(limit)")
    slots = []
    head = 0
    count = 0
    self.limit = limit
  }

  @inlinable package var isEmpty: Bool { count == 0 }
  @inlinable package var isFull: Bool { count >= limit }
  @inlinable package var first: Element? { count == 0 ? nil : slots[head] }
  @inlinable package var last: Element? {
    count == 0 ? nil : slots[(head + count - 1) & (slots.count - 1)]
  }

  /// The element at `position` from the front.
  @inlinable
  package subscript(position: Int) -> Element {
    get {
      precondition(position >= 0 && position < count, "position \(position) of \(count)")
      return slots[(head + position) & (slots.count - 1)].unsafelyUnwrappedInRange
    }
    set {
      precondition(position >= 0 && position < count, "position \(position) of \(count)")
      slots[(head + position) & (slots.count - 1)] = newValue
    }
  }

  /// Appends at the back. False, and nothing is done, where the queue is full.
  @inlinable
  @discardableResult
  package mutating func append(_ element: Element) -> Bool {
    guard count < limit else { return false }
    if count == slots.count { grow() }
    slots[(head + count) & (slots.count - 1)] = element
    count += 1
    return true
  }

  /// Takes the front element.
  @inlinable
  package mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    let element = slots[head]
    slots[head] = nil
    head = (head + 1) & (slots.count - 1)
    count -= 1
    return element
  }

  /// Takes the back element.
  @inlinable
  package mutating func popLast() -> Element? {
    guard count > 0 else { return nil }
    let at = (head + count - 1) & (slots.count - 1)
    let element = slots[at]
    slots[at] = nil
    count -= 1
    return element
  }

  @inlinable
  package mutating func removeAll() {
    slots = []
    head = 0
    count = 0
  }

  @usableFromInline
  mutating func grow() {
    var wider: [Element?] = []
    wider.reserveCapacity(max(8, slots.count * 2))
    for i in 0..<count { wider.append(slots[(head + i) & (slots.count - 1)]) }
    while wider.count < max(8, slots.count * 2) { wider.append(nil) }
    slots = wider
    head = 0
  }
}

extension RingQueue: Sendable where Element: Sendable {}

extension Optional {
  /// A slot within `count` always holds an element.
  @inlinable
  var unsafelyUnwrappedInRange: Wrapped {
    guard let value = self else { preconditionFailure("an empty slot within the queue's count") }
    return value
  }
}
