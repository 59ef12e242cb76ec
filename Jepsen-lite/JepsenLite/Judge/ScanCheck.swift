internal import JepsenHistory

/// Scans are linearizable key by key: a scan reads every key under its prefix at some instant
/// between its start and its end. (Over several keys there is no common instant.)
enum ScanCheck {
  static let name = "linearizability of scans, key by key"
  private static let present = HistoryValue.text("present")

  static func verdict(
    _ history: [HistoryOperation], _ checker: LinearizabilityChecker
  ) -> Verdict {
    var keys: [String: Set<String>] = [:]
    for operation in history where operation.kind == .write {
      keys[prefix(of: operation.key), default: []].insert(operation.key)
    }
    var expanded: [HistoryOperation] = []
    var scans = 0
    for operation in history {
      switch operation.kind {
      case .write:
        var write = operation
        write.value = present
        expanded.append(write)
      case .delete: expanded.append(operation)
      case .scan where operation.outcome == .ok:
        scans += 1
        guard case .list(let elements) = operation.value else {
          return violated(operation, "a scan was answered with something else than keys")
        }
        let found = elements.compactMap(\.text)
        if zip(found, found.dropFirst()).contains(where: {
          $0.utf8.lexicographicallyPrecedes($1.utf8) == false
        }) {
          return violated(operation, "a scan gave keys out of order, or twice")
        }
        let known = keys[operation.key] ?? []
        if let stranger = found.first(where: { !known.contains($0) }) {
          return violated(operation, "a scan found \(stranger), which nobody put")
        }
        expanded += reads(of: operation, Set(found), known)
      default: break
      }
    }
    var verdict = checker.check(expanded, model: .register)
    verdict.name = name
    if verdict.status == .passed {
      verdict.text = "\(scans) scans, taken as \(expanded.count) operations on single keys"
    }
    return verdict
  }

  private static func prefix(of key: String) -> String {
    key.lastIndex(of: "/").map { String(key[...$0]) } ?? key
  }

  private static func reads(
    of scan: HistoryOperation, _ found: Set<String>, _ known: Set<String>
  ) -> [HistoryOperation] {
    known.sorted().map { key in
      var read = scan
      read.kind = .read
      read.key = key
      read.value = found.contains(key) ? present : nil
      return read
    }
  }

  private static func violated(_ scan: HistoryOperation, _ text: String) -> Verdict {
    Verdict(
      name, .violated, method: "counting", text: text,
      witness: Witness(key: scan.key, operations: [scan], explanation: [text + "."]))
  }
}
