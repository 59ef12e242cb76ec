/// An operation as the search sees it: values are small numbers, 0 stands for absent.
struct LinearizabilityStep: Sendable {
  enum Action: Hashable, Sendable {
    case read(Int64)
    case write(Int64)
    case compareAndSet(expected: Int64, new: Int64)
    /// A cas that found something else.
    case differs(from: Int64)
    case add(Int64)
    case addGiving(Int64, sum: Int64)
  }

  var action: Action
  var start: UInt64
  /// `nil`: unknown outcome.
  var end: UInt64?
  /// The position in the history.
  var source: Int

  /// The state after this step; `nil` where it can't happen in `state`.
  func next(after state: Int64) -> Int64? { action.next(after: state) }
}

extension LinearizabilityStep.Action {
  func next(after state: Int64) -> Int64? {
    switch self {
    case .read(let value): value == state ? state : nil
    case .write(let value): value
    case .compareAndSet(let expected, let new): expected == state ? new : nil
    case .differs(let expected): expected != state ? state : nil
    case .add(let delta): state &+ delta
    case .addGiving(let delta, let sum): state &+ delta == sum ? sum : nil
    }
  }
}
