internal import Dispatch
internal import KVBase

/// Hands work from the loop to a thread that may block. What is put in while the thread is busy is
/// taken out together: that is group commit.
final class BlockingQueue<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    var isWaiting = false
    var isClosed = false
  }

  private let state = Locked(State())
  private let wakeUp = DispatchSemaphore(value: 0)

  /// Puts an element in, unless so many wait; else whoever puts in bounds how many there are.
  func append(_ element: Element, limit: Int = .max) {
    let mustWake = state.withLock { state in
      guard state.elements.count < limit else { return false }
      state.elements.append(element)
      defer { state.isWaiting = false }
      return state.isWaiting
    }
    if mustWake { wakeUp.signal() }
  }

  func close() {
    let mustWake = state.withLock { state in
      state.isClosed = true
      defer { state.isWaiting = false }
      return state.isWaiting
    }
    if mustWake { wakeUp.signal() }
  }

  /// Everything that was put in, waiting for the first; `nil` once it is closed and empty.
  func takeAll() -> [Element]? {
    while true {
      let (taken, isClosed) = state.withLock { state -> ([Element], Bool) in
        var taken: [Element] = []
        swap(&taken, &state.elements)
        state.isWaiting = taken.isEmpty && !state.isClosed
        return (taken, state.isClosed)
      }
      if !taken.isEmpty { return taken }
      if isClosed { return nil }
      wakeUp.wait()
    }
  }
}
