package import KVBase

/// A read with a maximum age lacks nothing that was acknowledged to anyone longer ago than that.
package struct StalenessChecks: Sendable {
  private struct Acknowledged: Sendable {
    var time: UInt64
    var index: UInt64
  }

  /// By group: when the highest acknowledged index rose, and to what.
  private var acknowledged: [[Acknowledged]]
  private let clockBoundPartsPerMillion: UInt64
  private(set) var found: [(check: Check, what: String)] = []
  package private(set) var readsChecked: UInt64 = 0

  /// A replica counts the age by its own clock, whose rate may be off by so much.
  package init(groups: Int, clockBoundPartsPerMillion: Int) {
    acknowledged = Array(repeating: [], count: groups)
    self.clockBoundPartsPerMillion = UInt64(clockBoundPartsPerMillion)
  }

  package var hasFound: Bool { !found.isEmpty }

  package mutating func removeFindings() -> [(check: Check, what: String)] {
    defer { found = [] }
    return found
  }

  /// A client was told of an index.
  package mutating func acknowledge(_ index: LogIndex, group: GroupID, at time: UInt64) {
    let at = Int(group.rawValue)
    guard index.rawValue > acknowledged[at].last?.index ?? 0 else { return }
    acknowledged[at].append(Acknowledged(time: time, index: index.rawValue))
  }

  /// A read that was asked for at `start` was served as of `index`.
  package mutating func check(
    _ index: LogIndex, group: GroupID, maximumAge: TimeAmount, start: UInt64,
    what: @autoclosure () -> String
  ) {
    readsChecked += 1
    let million: UInt64 = 1_000_000
    let age =
      maximumAge.nanoseconds / million * million * million
      / (million - clockBoundPartsPerMillion)
    // Clocks are read to the millisecond here and there.
    let allowed = age + 1_000_000
    guard start > allowed else { return }
    let history = acknowledged[Int(group.rawValue)]
    guard let missing = history.last(where: { $0.time < start - allowed }),
      missing.index > index.rawValue
    else { return }
    guard found.count < 32 else { return }
    found.append(
      (
        .staleness,
        "\(what()) with a maximum age of \(maximumAge) was served as of entry \(index) of "
          + "\(group), and entry \(missing.index) was acknowledged "
          + "\((start - missing.time) / 1_000_000) ms before it was asked for"
      ))
  }
}
