/// Locks with fencing tokens.
///
/// Fields: `acquire` has its token in `result`; `release` may have it in `result` too; a guarded
/// `write` has the token that it was made with in `result`. Each key is a lock of its own, and the
/// writes that it guards are on the same key.
///
/// - No token is handed out twice, and an acquire that begins after another ended has a higher one.
///   (Where locks have no tokens, nothing is asked of them.)
/// - From the end of an acquire to the start of its holder's release no other process acquires: an
///   acquire that began and ended in between is a contradiction, unless the lease had run out by
///   its end (counted from the start of the holder's acquire). A release with an unknown outcome
///   may take effect at any time later: without a token it may be what ends a later holding of its
///   process, of which nothing is said then.
/// - A guarded write with a token below one that was used before it began must have been refused.
enum LockModel {
  static let name = "locks with fencing"
  private static let method = "order of the tokens"

  private struct Use {
    var source: Int
    var process: Int
    var start: UInt64
    var end: UInt64
    var token: Int64?
  }

  /// When a process may have given up the lock.
  private struct Releases {
    var starts: [UInt64] = []
    /// The first of those without a token whose outcome is not known.
    var firstUnknown = UInt64.max
  }

  static func check(_ history: [HistoryOperation], leaseNanoseconds: UInt64?) -> Verdict {
    let isUsed = history.contains {
      $0.outcome == .ok && ($0.kind == .acquire || $0.kind == .write && $0.result != nil)
    }
    guard isUsed || history.contains(where: { !isOfLocks($0) }) else {
      return Verdict(
        name, .invalid, method: method, text: "No acquire was answered, which proves nothing.")
    }
    return ModelOutcome.verdict(name, history) { _, positions in
      decide(history, positions.map { Int($0) }, leaseNanoseconds)
    }
  }

  private static func isOfLocks(_ operation: HistoryOperation) -> Bool {
    switch operation.kind {
    case .acquire, .release, .write, .read: true
    default: false
    }
  }

  private static func decide(
    _ history: [HistoryOperation], _ positions: [Int], _ lease: UInt64?
  ) -> ModelOutcome {
    var acquires: [Use] = []
    var writes: [Use] = []
    var releases: [Int: Releases] = [:]
    for position in positions {
      let operation = history[position]
      switch operation.kind {
      case .release:
        guard operation.mayHaveHappened else { continue }
        let start = operation.startNanoseconds
        releases[operation.process, default: Releases()].starts.append(start)
        if operation.outcome == .unknown, operation.result == nil {
          let known = releases[operation.process]?.firstUnknown ?? UInt64.max
          releases[operation.process]?.firstUnknown = min(known, start)
        }
      case .acquire, .write:
        guard operation.outcome == .ok else { continue }
        let token = operation.result?.integer
        if token == nil {
          if operation.kind == .write { continue }
          if operation.result != nil {
            return .invalid("an acquire whose token is no number: \(operation.jsonLine)")
          }
        }
        let use = Use(
          source: position, process: operation.process, start: operation.startNanoseconds,
          end: operation.endNanoseconds ?? UInt64.max, token: token)
        if operation.kind == .acquire { acquires.append(use) } else { writes.append(use) }
      case .read: continue
      default: return .invalid("an operation of another model: \(operation.jsonLine)")
      }
    }
    for process in Array(releases.keys) { releases[process]?.starts.sort() }
    let fenced = acquires.filter { $0.token != nil }
    return twice(fenced) ?? order(fenced) ?? exclusion(acquires, releases, lease)
      ?? fencing(writes) ?? .fine(method: method)
  }

  private static func twice(_ acquires: [Use]) -> ModelOutcome? {
    var known: [Int64: Int] = [:]
    for acquire in acquires {
      guard let token = acquire.token else { continue }
      if let other = known.updateValue(acquire.source, forKey: token) {
        return .violated(
          "the token \(token) was handed out twice", [other, acquire.source],
          method: method)
      }
    }
    return nil
  }

  /// A use that began after another with a higher token ended.
  private static func overtaken(
    _ uses: [Use]
  ) -> (positions: [Int], earlier: Int64, later: Int64)? {
    let begun = uses.sorted { ($0.start, $0.source) < ($1.start, $1.source) }
    let ended = uses.sorted { ($0.end, $0.source) < ($1.end, $1.source) }
    var next = 0
    var highest: Use?
    for use in begun {
      while next < ended.count && ended[next].end < use.start {
        if ended[next].token ?? Int64.min > highest?.token ?? Int64.min { highest = ended[next] }
        next += 1
      }
      if let highest, let earlier = highest.token, let later = use.token, earlier > later {
        return ([highest.source, use.source], earlier, later)
      }
    }
    return nil
  }

  private static func order(_ acquires: [Use]) -> ModelOutcome? {
    overtaken(acquires).map {
      .violated(
        "an acquire was given the token \($0.later) after one had ended with \($0.earlier)",
        $0.positions, method: method)
    }
  }

  private static func fencing(_ writes: [Use]) -> ModelOutcome? {
    overtaken(writes).map {
      .violated(
        "a write with the token \($0.later) was accepted after one with \($0.earlier)",
        $0.positions,
        method: method)
    }
  }

  /// Each holder's span is held against the acquires that began in it. A span that reaches further
  /// than all before it is the only one that need be looked at: if it is not over, any acquire by
  /// another process within it is a contradiction.
  private static func exclusion(
    _ acquires: [Use], _ releases: [Int: Releases], _ lease: UInt64?
  ) -> ModelOutcome? {
    struct Span {
      var holder: Use
      var from: UInt64
      var to: UInt64
    }
    let spans = acquires.map { acquire in
      let own = releases[acquire.process] ?? Releases()
      // A release that began before this acquire ended may be of an earlier holding; one that began
      // within it can only be late, and is taken as the end to be safe.
      let first = own.starts.countSorted { $0 < acquire.start }
      let isDoubtful = own.firstUnknown < acquire.start
      let release = isDoubtful ? 0 : first < own.starts.count ? own.starts[first] : UInt64.max
      let lost = lease.map { acquire.start.addingReportingOverflow($0) }
      let limit = lost.map { $0.overflow ? UInt64.max : $0.partialValue } ?? UInt64.max
      return Span(holder: acquire, from: acquire.end, to: min(release, limit))
    }.sorted { ($0.from, $0.holder.source) < ($1.from, $1.holder.source) }
    let begun = acquires.sorted { ($0.start, $0.source) < ($1.start, $1.source) }
    var next = 0
    /// The two spans, of different processes, that reach furthest.
    var furthest: [Span] = []
    for acquire in begun {
      while next < spans.count && spans[next].from < acquire.start {
        if let same = furthest.firstIndex(where: { $0.holder.process == spans[next].holder.process }
        ) {
          if spans[next].to > furthest[same].to { furthest[same] = spans[next] }
        } else {
          furthest.append(spans[next])
        }
        furthest.sort { $0.to > $1.to }
        if furthest.count > 2 { furthest.removeLast() }
        next += 1
      }
      if let held = furthest.first(where: {
        $0.holder.process != acquire.process && $0.to > acquire.end
      }) {
        return .violated(
          "process \(acquire.process) acquired while process \(held.holder.process) held the lock",
          [held.holder.source, acquire.source], method: method)
      }
    }
    return nil
  }
}
