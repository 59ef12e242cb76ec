package import KVBase
internal import KVCommand

/// The one owner of a session row's value: u8 version 2, u64 lowest unacknowledged sequence (the
/// highest number: its client has left), u64 index of its last use, u32 count, then for each
/// result, by rising sequence: u64 sequence, u64 fingerprint of the command, result; and of a
/// session's change in the journal: u64 created, u64 random, u64 lowest unacknowledged sequence,
/// u64 index of its last use, u32 count, then the results that are new, in the order in which they
/// came.
package enum SessionFormat {
  package static let formatVersion: UInt8 = 2
  /// Of a result: sequence, fingerprint, and its kind.
  private static let smallestResult = 17

  package static func encode(_ session: Session, into writer: inout ByteWriter) {
    writer.append(formatVersion)
    writer.append(session.lowestUnacknowledged)
    writer.append(session.lastUse.rawValue)
    writer.append(UInt32(session.results.count))
    for kept in session.results { encode(kept, into: &writer) }
  }

  private static func encode(_ kept: KeptResult, into writer: inout ByteWriter) {
    writer.append(kept.sequence)
    writer.append(kept.fingerprint)
    kept.result.encode(into: &writer)
  }

  private static func keptResult(from reader: inout ByteReader) throws(WireError) -> KeptResult {
    let sequence = try reader.read(UInt64.self)
    let fingerprint = try reader.read(UInt64.self)
    return KeptResult(
      sequence: sequence, fingerprint: fingerprint, result: try CommandResult(from: &reader))
  }

  package static func decode(_ bytes: Bytes, client: ClientID) throws(WireError) -> Session {
    var reader = ByteReader(bytes)
    let format = try reader.read(UInt8.self)
    guard format == formatVersion else {
      throw .unknownValue(what: "session version", value: UInt64(format))
    }
    let lowest = try reader.read(UInt64.self)
    let lastUse = LogIndex(try reader.read(UInt64.self))
    let count = try reader.readCount(
      limit: Limits.resultsPerSession, minimumSize: smallestResult, what: "session results")
    var results: [KeptResult] = []
    results.reserveCapacity(count)
    for _ in 0..<count {
      let kept = try keptResult(from: &reader)
      guard kept.sequence >= lowest, results.last.map({ $0.sequence < kept.sequence }) ?? true
      else { throw .invalid("session: its sequences do not rise") }
      results.append(kept)
    }
    try reader.finish()
    return Session(
      client: client, lowestUnacknowledged: lowest, lastUse: lastUse, results: results)
  }

  /// Bytes of a change before its results.
  static let changeHeadSize = 36

  /// What a batch did to the session: its watermark, its last use, and its new results that are
  /// still wanted.
  package static func encodeChange(_ session: Session, into writer: inout ByteWriter) {
    let countOffset = writer.count + 32
    unsafe writer.append(fixed: changeHeadSize) { head in
      unsafe head.storeBytes(of: session.client.createdMilliseconds.bigEndian, as: UInt64.self)
      unsafe head.storeBytes(
        of: session.client.random.bigEndian, toByteOffset: 8, as: UInt64.self)
      unsafe head.storeBytes(
        of: session.lowestUnacknowledged.bigEndian, toByteOffset: 16, as: UInt64.self)
      unsafe head.storeBytes(
        of: session.lastUse.rawValue.bigEndian, toByteOffset: 24, as: UInt64.self)
      unsafe head.storeBytes(of: UInt32(0), toByteOffset: 32, as: UInt32.self)
    }
    var count: UInt32 = 0
    for kept in session.fresh where kept.sequence >= session.lowestUnacknowledged {
      encode(kept, into: &writer)
      count += 1
    }
    writer.overwrite(count, at: countOffset)
  }

  package static func decodeChange(
    from reader: inout ByteReader
  ) throws(WireError) -> SessionChange {
    let created = try reader.read(UInt64.self)
    let client = ClientID(createdMilliseconds: created, random: try reader.read(UInt64.self))
    let lowest = try reader.read(UInt64.self)
    let lastUse = LogIndex(try reader.read(UInt64.self))
    let count = try reader.readCount(
      limit: Limits.resultsPerSession, minimumSize: smallestResult, what: "session results")
    var results: [KeptResult] = []
    results.reserveCapacity(count)
    for _ in 0..<count {
      let kept = try keptResult(from: &reader)
      guard kept.sequence >= lowest else {
        throw .invalid("session change: a result below its mark")
      }
      results.append(kept)
    }
    return SessionChange(
      client: client, lowestUnacknowledged: lowest, lastUse: lastUse, results: results)
  }
}
