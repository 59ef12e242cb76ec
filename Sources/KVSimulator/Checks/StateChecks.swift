import KVBase
import KVCommand
import KVState

/// Replicas that have applied the same entries hold the same state, byte by byte, and its records
/// are what the log makes them.
///
/// A replica is looked at as of one index, and compared with whoever was looked at there before:
/// the donor of a snapshot when it begins to read it and the receiver once it has it, and all
/// replicas at the end of a run.
struct StateChecks: Sendable {
  private struct Position: Hashable, Sendable {
    var group: UInt32
    var index: UInt64
  }

  /// Who was looked at first, and what it held.
  private var seen: [Position: (who: String, image: StateImage)] = [:]
  private(set) var found: [(check: Check, what: String)] = []
  private(set) var imagesCompared: UInt64 = 0

  var hasFound: Bool { !found.isEmpty }

  mutating func removeFindings() -> [(check: Check, what: String)] {
    defer { found = [] }
    return found
  }

  private mutating func report(_ what: String) {
    if found.count < 32 { found.append((.equalState, what)) }
  }

  /// - Parameter who: the replica, as a sentence begins with it.
  mutating func compare(
    _ image: StateImage, _ group: GroupID, _ who: String, _ effects: EffectChecks
  ) {
    let position = Position(group: group.rawValue, index: image.index.rawValue)
    if let first = seen[position] {
      imagesCompared += 1
      if let difference = image.difference(from: first.image) {
        report(
          "the state of \(group) as of entry \(image.index) on \(who) is not that on \(first.who): "
            + difference)
      }
    } else {
      seen[position] = (who, image)
    }
    do throws(WireError) {
      if let difference = effects.difference(try image.records(), group, at: image.index) {
        report("the records of \(group) as of entry \(image.index) on \(who): \(difference)")
      }
    } catch {
      report("a record of \(group) on \(who) can't be read: \(error)")
    }
  }

  /// What an entry has made of its key, as a read finds it on a replica that applied it.
  mutating func compare(
    _ record: Record?, with expected: EffectChecks.Expected, _ group: GroupID, _ who: String
  ) {
    let isSame =
      switch (record, expected.value) {
      case (nil, nil): true
      case (let record?, let value?):
        record.version.rawValue == expected.index && record.value == value
      default: false
      }
    guard !isSame else { return }
    let holds = record.map { "\($0.value) of version \($0.version)" } ?? "nothing"
    report(
      "\(who) holds \(holds) for \(expected.key) after entry \(expected.index) of \(group), which "
        + (expected.value.map { "put \($0)" } ?? "deleted it"))
  }

  /// A check of one replica against itself: what a start would find is what it answers from.
  mutating func compare(
    _ image: StateImage, stored: StateImage?, _ group: GroupID, _ who: String
  ) {
    guard let stored else {
      return report("the store of \(who) holds no state of \(group)")
    }
    if let difference = image.difference(from: stored) {
      report(
        "\(who) would find another state of \(group) at a start than it has as of entry "
          + "\(image.index): \(difference)")
    }
  }
}
