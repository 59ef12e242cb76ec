/// Reads big-endian integers and slices from a run of bytes; nothing is copied, and every length
/// is checked before it is believed.
@frozen
@usableFromInline
package struct ByteReader: Sendable {
  @usableFromInline let bytes: Bytes
  @usableFromInline package var offset: Int

  @inlinable
  package init(_ bytes: Bytes) {
    self.bytes = bytes
    offset = 0
  }

  @inlinable package var remaining: Int { bytes.count - offset }
  @inlinable package var isAtEnd: Bool { offset == bytes.count }

  @inlinable
  package mutating func read<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type = T.self
  ) throws(WireError) -> T {
    let size = MemoryLayout<T>.size
    guard remaining >= size else { throw .truncated(needed: size, available: remaining) }
    let value = bytes.load(T.self, at: offset)
    offset += size
    return value
  }

  @inlinable
  package mutating func readBool() throws(WireError) -> Bool {
    let value = try read(UInt8.self)
    guard value <= 1 else { throw .unknownValue(what: "flag", value: UInt64(value)) }
    return value == 1
  }

  /// The next `count` bytes.
  @inlinable
  package mutating func read(count: Int) throws(WireError) -> Bytes {
    guard count >= 0, remaining >= count else {
      throw .truncated(needed: count, available: remaining)
    }
    let slice = bytes[offset..<offset + count]
    offset += count
    return slice
  }

  /// A `u32` length of at most `limit`, then the bytes.
  @inlinable
  package mutating func readSized(limit: Int, what: StaticName) throws(WireError) -> Bytes {
    let count = Int(try read(UInt32.self))
    guard count <= limit else { throw .tooLong(what: what, length: count, limit: limit) }
    return try read(count: count)
  }

  /// A `u16` length of at most `limit`, then the bytes.
  @inlinable
  package mutating func readShort(limit: Int, what: StaticName) throws(WireError) -> Bytes {
    let count = Int(try read(UInt16.self))
    guard count <= limit else { throw .tooLong(what: what, length: count, limit: limit) }
    return try read(count: count)
  }

  /// A `u16` length, then UTF-8.
  package mutating func readText(limit: Int, what: StaticName) throws(WireError) -> String {
    guard let text = try readShort(limit: limit, what: what).text else { throw .invalid(what) }
    return text
  }

  /// A `u32` count of at most `limit` items, each of at least `minimumSize` bytes.
  @inlinable
  package mutating func readCount(
    limit: Int, minimumSize: Int, what: StaticName
  ) throws(WireError) -> Int {
    let count = Int(try read(UInt32.self))
    guard count <= limit else { throw .tooLong(what: what, length: count, limit: limit) }
    guard count * minimumSize <= remaining else {
      throw .truncated(needed: count * minimumSize, available: remaining)
    }
    return count
  }

  /// All that is left.
  @inlinable
  package mutating func readRest() -> Bytes {
    let slice = bytes[offset..<bytes.count]
    offset = bytes.count
    return slice
  }

  @inlinable
  package func finish() throws(WireError) {
    guard isAtEnd else { throw .trailing(count: remaining) }
  }
}
