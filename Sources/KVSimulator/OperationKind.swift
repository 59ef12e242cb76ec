import KVWire

/// What a client does, as it is counted: a run in which a kind hardly ever succeeds tests little of
/// what is promised of it.
package enum OperationKind: String, Sendable, CaseIterable {
  case linearizableRead = "linearizable read"
  case quorumRead = "quorum read"
  case sessionRead = "session read"
  case staleRead = "stale read"
  case write
  case cas
  case delete
  case add
  case append

  package var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

package struct OperationCount: Hashable, Sendable {
  package var tried: UInt64 = 0
  /// Of these, how many had their effect, or were answered with what was read.
  package var succeeded: UInt64 = 0

  package init() {}
}

extension PlannedOperation {
  var counted: OperationKind {
    switch kind {
    case .read(.quorum): .quorumRead
    case .read(.session): .sessionRead
    case .read(.stale): .staleRead
    case .read: .linearizableRead
    case .write: .write
    case .cas: .cas
    case .delete: .delete
    case .add: .add
    case .append: .append
    }
  }
}
