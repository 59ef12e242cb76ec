package import KVBase

/// Where a key lies on the ring of 2^64 tokens, and which of Q equal ranges that is.
package enum Ring {
  private static let openingBrace = UInt8(ascii: "{")
  private static let closingBrace = UInt8(ascii: "}")

  /// The offsets of the key's routing part: the text between its first `{` and the next `}` where
  /// that is not empty, else the whole key. Keys with the same routing part share a partition.
  package static func routingRange(of key: Bytes) -> Range<Int> {
    unsafe key.withUnsafeBytes { bytes in
      let count = bytes.count
      var opening = 0
      while opening < count, unsafe bytes[opening] != openingBrace { opening += 1 }
      var closing = opening + 1
      while closing < count, unsafe bytes[closing] != closingBrace { closing += 1 }
      return closing < count && closing > opening + 1 ? opening + 1..<closing : 0..<count
    }
  }

  /// The XXH3-64 hash of the key's routing part.
  package static func token(of key: Bytes) -> Token {
    Token(rawValue: XXH3.hash(key[routingRange(of: key)]))
  }

  /// The partition that holds the key: the high bits of its token. `partitions` is a power of two
  /// of at most `Limits.partitions`.
  package static func partition(of key: Bytes, partitions: Int) -> PartitionID {
    precondition(isValid(partitions: partitions), "\(partitions) partitions")
    // A shift by 64, where there is one partition, gives 0.
    let high = token(of: key).rawValue >> UInt64(64 - partitions.trailingZeroBitCount)
    return PartitionID(UInt16(truncatingIfNeeded: high))
  }

  /// The lowest token of a partition.
  package static func firstToken(of partition: PartitionID, partitions: Int) -> Token {
    precondition(
      isValid(partitions: partitions) && Int(partition.rawValue) < partitions,
      "\(partition) of \(partitions) partitions")
    // A shift by 64, where there is one partition, gives 0.
    return Token(
      rawValue: UInt64(partition.rawValue) << UInt64(64 - partitions.trailingZeroBitCount))
  }

  /// Whether a cluster can have this many partitions: a power of two of 1…`Limits.partitions`.
  package static func isValid(partitions: Int) -> Bool {
    partitions >= 1 && partitions <= Limits.partitions && partitions.nonzeroBitCount == 1
  }
}
