internal import KVBase

/// The configurations that the log holds, by rising index. A configuration is in force from the
/// moment its entry is appended (Raft paper §6), so a truncated entry takes its configuration
/// along.
struct ConfigurationHistory: Sendable {
  /// Never empty. The first one is that in force at the log's base.
  private(set) var all: [IndexedConfiguration]

  init(_ recovered: [IndexedConfiguration]) {
    all =
      recovered.isEmpty
      ? [IndexedConfiguration(index: .zero, configuration: GroupConfiguration(voters: []))]
      : recovered
  }

  var current: IndexedConfiguration { all[all.count - 1] }

  mutating func append(_ configuration: GroupConfiguration, at index: LogIndex) {
    precondition(index > current.index, "configuration \(index) behind \(current.index)")
    all.append(IndexedConfiguration(index: index, configuration: configuration))
  }

  mutating func truncate(after index: LogIndex) {
    while all.count > 1 && current.index > index { all.removeLast() }
  }

  mutating func compact(through index: LogIndex) {
    var keep = 0
    while keep + 1 < all.count && all[keep + 1].index <= index { keep += 1 }
    all.removeFirst(keep)
  }

  /// A snapshot's configuration stands for all that it covers, and the log begins behind it.
  mutating func install(_ configuration: GroupConfiguration, at index: LogIndex) {
    all = [IndexedConfiguration(index: index, configuration: configuration)]
  }
}

extension GroupConfiguration {
  /// What a configuration entry carries; `nil` where the bytes make no sense.
  static func decode(_ payload: Bytes) -> GroupConfiguration? {
    var reader = ByteReader(payload)
    guard let decoded = try? GroupConfiguration(from: &reader), reader.isAtEnd,
      !decoded.voters.isEmpty
    else { return nil }
    return decoded
  }

  var encoded: Bytes {
    var writer = ByteWriter()
    encode(into: &writer)
    return writer.take()
  }

  var memberCountLimitHolds: Bool { members.count <= Limits.replicasPerGroup }
}
