package import KVBase

/// The chained hash of a group's entries: XXH3-64 of u64 previous digest, u64 index, u64 term, u8
/// kind, u64 log time, payload. Replicas that applied the same entries have the same digest, so
/// one that differs has diverged.
package enum EntryDigest {
  /// `scratch` is overwritten; it is used again from entry to entry.
  package static func chain(
    _ previous: UInt64, _ entry: LogEntry, scratch: inout ByteWriter
  ) -> UInt64 {
    scratch.removeAll()
    unsafe scratch.append(fixed: 33) { head in
      unsafe head.storeBytes(of: previous.bigEndian, as: UInt64.self)
      unsafe head.storeBytes(of: entry.index.rawValue.bigEndian, toByteOffset: 8, as: UInt64.self)
      unsafe head.storeBytes(of: entry.term.rawValue.bigEndian, toByteOffset: 16, as: UInt64.self)
      unsafe head.storeBytes(of: entry.kind.rawValue, toByteOffset: 24, as: UInt8.self)
      unsafe head.storeBytes(
        of: entry.logTimeMilliseconds.bigEndian, toByteOffset: 25, as: UInt64.self)
    }
    scratch.append(raw: entry.payload)
    return scratch.checksum(from: 0)
  }
}
