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
    scratch.append(previous)
    scratch.append(entry.index.rawValue)
    scratch.append(entry.term.rawValue)
    scratch.append(entry.kind.rawValue)
    scratch.append(entry.logTimeMilliseconds)
    scratch.append(raw: entry.payload)
    return scratch.checksum(from: 0)
  }
}
