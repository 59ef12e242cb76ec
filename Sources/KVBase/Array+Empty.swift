extension Array {
  /// Removes all elements and keeps the storage. Nearly all buffers of a turn are empty when they
  /// are emptied: that costs a comparison, and `removeAll(keepingCapacity:)` a call.
  @inlinable
  package mutating func empty() {
    if !isEmpty { removeAll(keepingCapacity: true) }
  }
}
