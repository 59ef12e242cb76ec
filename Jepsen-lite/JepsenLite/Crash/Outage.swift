internal import KVBase

/// How long a fault left partitions without service, as the probe saw it.
struct Outage: Sendable {
  /// The longest interval in which no operation of the probe succeeded.
  var overall: UInt64
  /// The same for each partition by itself; the longest of them.
  var worstPartition: UInt64
  /// The longest interval before the fault: what the machine and the probe itself add.
  var before: UInt64
  /// Successes before the fault, and those of them that the node answered which was then harmed.
  var successesBefore = 0
  var servedByVictim = 0
  /// Answered by other nodes after the fault.
  var servedByOthers = 0

  /// - Parameters:
  ///   - operations: of the probe, ended.
  ///   - from: where the window begins in which intervals count.
  ///   - until: its end; a partition that has not served again by then counts up to there.
  init(
    _ operations: [Probe.Operation], targets: Int, victim: UInt32, from: Instant, faultAt: Instant,
    until: Instant
  ) {
    var all: [UInt64] = []
    var each = [[UInt64]](repeating: [], count: targets)
    for operation in operations {
      guard let node = operation.result.servedBy else { continue }
      if operation.end < faultAt {
        successesBefore += 1
        if node == victim { servedByVictim += 1 }
      } else if node != victim {
        servedByOthers += 1
      }
      guard operation.end >= from, operation.end <= until else { continue }
      all.append(operation.end.nanoseconds)
      each[operation.target].append(operation.end.nanoseconds)
    }
    let (first, last) = (from.nanoseconds, until.nanoseconds)
    overall = Self.longestGap(all, from: first, until: last)
    worstPartition =
      each.map { Self.longestGap($0, from: first, until: last) }.max() ?? last - first
    before = Self.longestGap(
      all.filter { $0 < faultAt.nanoseconds }, from: first, until: faultAt.nanoseconds)
  }

  /// The longest interval without a success between two moments.
  static func longestGap(_ successes: [UInt64], from: UInt64, until: UInt64) -> UInt64 {
    var last = from
    var longest: UInt64 = 0
    for success in successes.sorted() where success >= from && success <= until {
      longest = max(longest, success - last)
      last = success
    }
    return max(longest, until - last)
  }
}
