package import KVBase
internal import KVCommand

/// The one owner of a session row's value: u8 version 1, u64 lowest unacknowledged sequence, u32
/// count, then for each result, by rising sequence: u64 sequence, result; and of a session's change
/// in the journal: u64 created, u64 random, u64 lowest unacknowledged sequence, u32 count, then the
/// results that are new, in the order in which they came.
package enum SessionFormat {
  package static let formatVersion: UInt8 = 1

  package static func encode(_ session: Session, into writer: inout ByteWriter) {
    writer.append(formatVersion)
    writer.append(session.lowestUnacknowledged)
    writer.append(UInt32(session.results.count))
    for kept in session.results {
      writer.append(kept.sequence)
      kept.result.encode(into: &writer)
    }
  }

  package static func decode(_ bytes: Bytes, client: ClientID) throws(WireError) -> Session {
    var reader = ByteReader(bytes)
    let format = try reader.read(UInt8.self)
    guard format == formatVersion else {
      throw .unknownValue(what: "session version", value: UInt64(format))
    }
    let lowest = try reader.read(UInt64.self)
    let count = try reader.readCount(
      limit: Limits.resultsPerSession, minimumSize: 9, what: "session results")
    var results: [KeptResult] = []
    results.reserveCapacity(count)
    for _ in 0..<count {
      let sequence = try reader.read(UInt64.self)
      guard sequence >= lowest, results.last.map({ $0.sequence < sequence }) ?? true else {
        throw .invalid("session: its sequences do not rise")
      }
      results.append(KeptResult(sequence: sequence, result: try CommandResult(from: &reader)))
    }
    try reader.finish()
    return Session(client: client, lowestUnacknowledged: lowest, results: results)
  }

  /// What a batch did to the session: its watermark, and its new results that are still wanted.
  package static func encodeChange(_ session: Session, into writer: inout ByteWriter) {
    let countOffset = writer.count + 24
    unsafe writer.append(fixed: 28) { head in
      unsafe head.storeBytes(of: session.client.createdMilliseconds.bigEndian, as: UInt64.self)
      unsafe head.storeBytes(
        of: session.client.random.bigEndian, toByteOffset: 8, as: UInt64.self)
      unsafe head.storeBytes(
        of: session.lowestUnacknowledged.bigEndian, toByteOffset: 16, as: UInt64.self)
      unsafe head.storeBytes(of: UInt32(0), toByteOffset: 24, as: UInt32.self)
    }
    var count: UInt32 = 0
    for kept in session.fresh where kept.sequence >= session.lowestUnacknowledged {
      writer.append(kept.sequence)
      kept.result.encode(into: &writer)
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
    let count = try reader.readCount(
      limit: Limits.resultsPerSession, minimumSize: 9, what: "session results")
    var results: [KeptResult] = []
    results.reserveCapacity(count)
    for _ in 0..<count {
      let sequence = try reader.read(UInt64.self)
      guard sequence >= lowest else { throw .invalid("session change: a result below its mark") }
      results.append(KeptResult(sequence: sequence, result: try CommandResult(from: &reader)))
    }
    return SessionChange(client: client, lowestUnacknowledged: lowest, results: results)
  }
}
