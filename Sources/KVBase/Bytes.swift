internal import Glibc

/// A run of bytes inside a shared, immutable buffer: 16 bytes, and slicing copies nothing.
///
/// A frame, the command in it, the log entry and the append message that carry the command are all
/// slices of the one buffer that was read from the socket.
@frozen
@usableFromInline
package struct Bytes: Sendable {
  @usableFromInline let storage: [UInt8]
  @usableFromInline let start: UInt32
  @usableFromInline let end: UInt32

  /// The whole of `storage`. At most 4 GiB.
  @inlinable
  package init(_ storage: [UInt8]) {
    self.storage = storage
    start = 0
    end = UInt32(storage.count)
  }

  @inlinable
  init(storage: [UInt8], start: UInt32, end: UInt32) {
    self.storage = storage
    self.start = start
    self.end = end
  }

  @inlinable package init() { self.init([]) }
  @inlinable package init(_ text: String) { self.init(Array(text.utf8)) }

  @inlinable package var count: Int { Int(end - start) }
  @inlinable package var isEmpty: Bool { start == end }

  /// The byte at `offset` from the start of this run.
  @inlinable
  package subscript(offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < count, "byte \(offset) of \(count)")
    return storage[Int(start) + offset]
  }

  /// A part of this run, by offsets from its start; shares the buffer.
  @inlinable
  package subscript(range: Range<Int>) -> Bytes {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
    return Bytes(
      storage: storage, start: start + UInt32(range.lowerBound),
      end: start + UInt32(range.upperBound))
  }

  /// The bytes as an array of their own, sharing nothing with the buffer.
  @inlinable package var array: [UInt8] { Array(storage[Int(start)..<Int(end)]) }

  /// A copy in a buffer of its own, for what is kept long and would pin a large buffer.
  @inlinable package func detached() -> Bytes { Bytes(array) }

  /// Bytes of the buffer that this run holds on to.
  @inlinable package var bufferCount: Int { storage.count }

  /// Whether most of the buffer is something else.
  @inlinable package var isSmallPart: Bool { count * 2 < storage.count }

  /// For tests: whether both hold on to one buffer.
  package func sharesBuffer(with other: Bytes) -> Bool {
    unsafe storage.withUnsafeBufferPointer { mine in
      unsafe other.storage.withUnsafeBufferPointer { unsafe mine.baseAddress == $0.baseAddress }
    }
  }

  /// The big-endian integer at `offset` from the start of this run.
  @inlinable
  package func load<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
    precondition(
      offset >= 0 && offset + MemoryLayout<T>.size <= count, "\(type) at \(offset) of \(count)")
    return unsafe storage.withUnsafeBytes {
      T(bigEndian: unsafe $0.loadUnaligned(fromByteOffset: Int(start) + offset, as: T.self))
    }
  }

  /// For C calls, which must not keep the pointer.
  @inlinable
  package func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe storage.withUnsafeBufferPointer { (buffer) throws(E) -> R in
      try unsafe body(
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[Int(start)..<Int(end)]))
    }
  }

  /// The text, where the bytes are valid UTF-8.
  package var text: String? { String(validating: storage[Int(start)..<Int(end)], as: UTF8.self) }

  package func hasPrefix(_ prefix: Bytes) -> Bool {
    prefix.count <= count && self[0..<prefix.count] == prefix
  }
}

extension Bytes: Hashable, Comparable {
  @inlinable
  package static func == (a: Bytes, b: Bytes) -> Bool {
    guard a.count == b.count else { return false }
    return a.compare(b) == 0
  }

  /// Lexicographic by unsigned byte, as RocksDB orders keys.
  @inlinable package static func < (a: Bytes, b: Bytes) -> Bool { a.compare(b) < 0 }

  @usableFromInline
  func compare(_ other: Bytes) -> Int {
    let common = min(count, other.count)
    let order = unsafe withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return Int32(0) }
        return unsafe memcmp(a, b, common)
      }
    }
    if order != 0 { return Int(order) }
    return count == other.count ? 0 : (count < other.count ? -1 : 1)
  }

  @inlinable
  package func hash(into hasher: inout Hasher) {
    hasher.combine(XXH3.hash(self))
  }
}

extension Bytes: CustomStringConvertible, ExpressibleByStringLiteral {
  @inlinable package init(stringLiteral: String) { self.init(stringLiteral) }

  /// Printable text as it is, anything else as hexadecimal, both cut at 64 bytes.
  @usableFromInline package var description: String {
    let shown = self[0..<min(count, 64)]
    let more = count > 64 ? "… (\(count) bytes)" : ""
    if let text = shown.text, text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 })
    {
      return "\"\(text)\"" + more
    }
    return "0x" + shown.hexadecimal + more
  }

  /// Two lower-case digits a byte.
  package var hexadecimal: String {
    let digits = Array("0123456789abcdef".utf8)
    var out: [UInt8] = []
    out.reserveCapacity(count * 2)
    for i in 0..<count {
      out.append(digits[Int(self[i] >> 4)])
      out.append(digits[Int(self[i] & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }
}
