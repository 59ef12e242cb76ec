internal import JepsenHistory

extension LinearizabilityChecker.Model {
  static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

  /// The model that the operations are of, from the first ones that tell.
  static func seen(in history: [HistoryOperation]) -> Self {
    for operation in history {
      switch operation.kind {
      case .append: return .list
      case .transfer: return .bank
      case .scan: return .scan
      case .generate: return .ids
      case .acquire, .release: return .locks
      case .add: return isSet(history) ? .set : .counter
      case .write, .cas, .delete, .read: continue
      }
    }
    return .register
  }

  /// Sets are read as lists, counters as numbers.
  private static func isSet(_ history: [HistoryOperation]) -> Bool {
    for operation in history where operation.kind == .read && operation.outcome == .ok {
      switch operation.value {
      case .list: return true
      case .integer: return false
      case .text, .map, nil: continue
      }
    }
    return false
  }
}
