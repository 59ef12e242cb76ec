/// Appends big-endian integers and bytes to a growing array, reused from turn to turn.
@frozen
@usableFromInline
package struct ByteWriter: Sendable {
  @usableFromInline package var bytes: [UInt8]

  @inlinable
  package init(capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  @inlinable package var count: Int { bytes.count }

  /// Empties it and keeps its memory.
  @inlinable package mutating func removeAll() { bytes.empty() }

  /// Takes what was written; the writer starts anew.
  @inlinable
  package mutating func take() -> Bytes {
    let taken = Bytes(bytes)
    bytes = []
    return taken
  }

  @inlinable
  package mutating func append<T: FixedWidthInteger>(_ value: T) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  @inlinable package mutating func append(_ value: Bool) { bytes.append(value ? 1 : 0) }

  /// The bytes alone, without a length.
  @inlinable
  package mutating func append(raw: Bytes) {
    unsafe raw.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
  }

  @inlinable package mutating func append(raw: [UInt8]) { bytes.append(contentsOf: raw) }

  @inlinable
  package mutating func append(raw: UnsafeRawBufferPointer) {
    unsafe bytes.append(contentsOf: raw)
  }

  /// `count` bytes that `fill` writes, for headers of many fields.
  @inlinable
  package mutating func append(
    fixed count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { header in
      unsafe fill(header)
      unsafe bytes.append(contentsOf: header)
    }
  }

  /// Forgets what was written after the first `count` bytes.
  @inlinable
  package mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= bytes.count, "\(count) of \(bytes.count)")
    bytes.removeLast(bytes.count - count)
  }

  /// A part of what another writer holds.
  @inlinable
  package mutating func append(from other: ByteWriter, _ range: Range<Int>) {
    bytes.append(contentsOf: other.bytes[range])
  }

  /// A `u32` length, then the bytes.
  @inlinable
  package mutating func append(sized value: Bytes) {
    append(UInt32(value.count))
    append(raw: value)
  }

  /// A `u16` length, then the bytes. At most 65,535.
  @inlinable
  package mutating func append(short value: Bytes) {
    append(UInt16(value.count))
    append(raw: value)
  }

  @inlinable package mutating func append(short text: String) { append(short: Bytes(text)) }

  /// Writes over an integer written earlier: a length or a checksum known only at the end.
  @inlinable
  package mutating func overwrite<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    let size = MemoryLayout<T>.size
    precondition(offset >= 0 && offset + size <= bytes.count, "\(offset)+\(size) of \(bytes.count)")
    unsafe withUnsafeBytes(of: value.bigEndian) { source in
      for i in 0..<size { bytes[offset + i] = unsafe source[i] }
    }
  }

  /// XXH3-64 of what was written from `start` on.
  @inlinable
  package func checksum(from start: Int) -> UInt64 {
    unsafe bytes.withUnsafeBytes {
      unsafe XXH3.hash(UnsafeRawBufferPointer(rebasing: $0[start...]))
    }
  }
}
