internal import KVBase

extension GroupConfiguration {
  /// What a configuration entry carries; `nil` where the bytes are no configuration, or one without
  /// voters.
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
