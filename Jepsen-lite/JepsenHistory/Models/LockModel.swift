/// Locks with fencing tokens.
///
/// Fields: `acquire` has its token in `result`; `release` may have it in `result` too; a guarded
/// `write` has the token that it was made with in `result`. Each key is a lock of its own, and the
/// writes that it guards are on the same key.
///
/// - No token is handed out twice, and an acquire that begins after another ended has a higher one.
/// - From the end of an acquire to the start of its holder's release no other process acquires: an
///   acquire that began and ended in between is a contradiction, unless the lease had run out by
///   its end (counted from the start of the holder's acquire).
/// - A guarded write with a token below one that was used before it began must have been refused.
enum LockModel {
  static let name = "locks with fencing"
  private static let method = "order of the tokens"

  private struct Use {
    var source: Int
    var process: Int
    var start: UInt64
    var end: UInt64
    var token: Int64
  }

  static func check(_ history: [HistoryOperation], leaseNanoseconds: UInt64?) -> Verdict {
    ModelOutcome.verdict(name, history) { _, places in
      decide(history, places.map { Int($0) }, leaseNanoseconds)
    }
  }

  private static func decide(
    _ history: [HistoryOperation], _ places: [Int], _ lease: UInt64?
  ) -> ModelOutcome {
    var acquires: [Use] = []
    var writes: [Use] = []
    /// By process: the starts of what may have released the lock.
    var releases: [Int: [UInt64]] = [:]
    for place in places {
      let operation = history[place]
      switch operation.kind {
      case .release:
        if operation.mayHaveHappened {
          releases[operation.process, default: []].append(operation.startNanoseconds)
        }
      case .acquire, .write:
        guard operation.outcome == .ok else { continue }
        guard let token = operation.result?.integer else {
          if operation.kind == .write { continue }
          return .invalid("an acquire without a token: \(operation.jsonLine)")
        }
        let use = Use(
          source: place, process: operation.process, start: operation.startNanoseconds,
          end: operation.endNanoseconds ?? UInt64.max, token: token)
        if operation.kind == .acquire { acquires.append(use) } else { writes.append(use) }
      case .read: continue
      default: return .invalid("an operation of another model: \(operation.jsonLine)")
      }
    }
    for process in Array(releases.keys) { releases[process]?.sort() }
    return twice(acquires) ?? order(acquires) ?? exclusion(acquires, releases, lease)
      ?? fencing(writes) ?? .fine(method: method)
  }

  private static func twice(_ acquires: [Use]) -> ModelOutcome? {
    var known: [Int64: Int] = [:]
    for acquire in acquires {
      if let other = known.updateValue(acquire.source, forKey: acquire.token) {
        return .violated(
          "the token \(acquire.token) was handed out twice", [other, acquire.source],
          method: method)
      }
    }
    return nil
  }

  /// A use that began after another with a higher token ended.
  private static func overtaken(_ uses: [Use]) -> (earlier: Use, later: Use)? {
    let begun = uses.sorted { ($0.start, $0.source) < ($1.start, $1.source) }
    let ended = uses.sorted { ($0.end, $0.source) < ($1.end, $1.source) }
    var next = 0
    var highest: Use?
    for use in begun {
      while next < ended.count && ended[next].end < use.start {
        if ended[next].token > highest?.token ?? Int64.min { highest = ended[next] }
        next += 1
      }
      if let highest, highest.token > use.token { return (highest, use) }
    }
    return nil
  }

  private static func order(_ acquires: [Use]) -> ModelOutcome? {
    overtaken(acquires).map {
      .violated(
        "an acquire was given the token \($0.later.token) after one had ended with "
          + "\($0.earlier.token)", [$0.earlier.source, $0.later.source], method: method)
    }
  }

  private static func fencing(_ writes: [Use]) -> ModelOutcome? {
    overtaken(writes).map {
      .violated(
        "a write with the token \($0.later.token) was accepted after one with "
          + "\($0.earlier.token)", [$0.earlier.source, $0.later.source], method: method)
    }
  }

  /// Each holder's span is held against the acquires that began in it. A span that reaches further
  /// than all before it is the only one that need be looked at: if it is not over, any acquire by
  /// another process within it is a contradiction.
  private static func exclusion(
    _ acquires: [Use], _ releases: [Int: [UInt64]], _ lease: UInt64?
  ) -> ModelOutcome? {
    struct Span {
      var holder: Use
      var from: UInt64
      var to: UInt64
    }
    let spans = acquires.map { acquire in
      let starts = releases[acquire.process] ?? []
      // A release that began before this acquire ended may be of an earlier holding; one that began
      // within it can only be late, and is taken as the end to be safe.
      let release = starts.first { $0 >= acquire.start } ?? UInt64.max
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
