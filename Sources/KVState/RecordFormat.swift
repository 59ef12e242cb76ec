package import KVBase
package import KVCommand

/// The one owner of a stored record's value: u8 version 1, u64 key version (the index of the entry
/// that wrote it), u64 expiry in milliseconds of log time (0: none), then the user's value.
package enum RecordFormat {
  package static let formatVersion: UInt8 = 1
  package static let headerSize = 17

  package static func appendHeader(
    version: LogIndex, expiryMilliseconds: UInt64 = 0, to writer: inout ByteWriter
  ) {
    unsafe writer.append(fixed: headerSize) { header in
      unsafe header.storeBytes(of: formatVersion, as: UInt8.self)
      unsafe header.storeBytes(of: version.rawValue.bigEndian, toByteOffset: 1, as: UInt64.self)
      unsafe header.storeBytes(of: expiryMilliseconds.bigEndian, toByteOffset: 9, as: UInt64.self)
    }
  }

  /// The record's value is a slice of `stored`.
  package static func decode(_ stored: Bytes) throws(WireError) -> Record {
    var reader = ByteReader(stored)
    let format = try reader.read(UInt8.self)
    guard format == formatVersion else {
      throw .unknownValue(what: "record version", value: UInt64(format))
    }
    let version = LogIndex(try reader.read(UInt64.self))
    _ = try reader.read(UInt64.self)
    guard reader.remaining <= Limits.valueBytes else {
      throw .tooLong(what: "record value", length: reader.remaining, limit: Limits.valueBytes)
    }
    return Record(version: version, value: reader.readRest())
  }
}
