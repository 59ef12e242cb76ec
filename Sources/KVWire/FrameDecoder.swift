package import KVBase

/// Turns the bytes of a connection into frames.
///
///     decoder.feed(chunk)
///     while let frame = try decoder.next() { … }
///
/// A frame that lies within one chunk is a slice of it. One that spans chunks is gathered in a
/// buffer that grows with what arrives, never by what its length announces, and never beyond
/// `limit`. An error is final: the connection's bytes have no known meaning from there on.
package struct FrameDecoder: Sendable {
  /// A frame above this many bytes, its length field included, is refused. A server keeps it small
  /// until it has seen HELLO.
  package var limit: Int
  /// Whether a frame without a checksum is refused. Peer frames need one in any case.
  package var requiresChecksums: Bool

  private var chunk = Bytes()
  private var offset = 0
  /// The beginning of a frame whose rest has not arrived.
  private var partial: [UInt8] = []
  private var failure: WireError?

  package init(limit: Int = Limits.frameBytes, requiresChecksums: Bool = false) {
    precondition(limit >= Frame.headerSize + Frame.checksumSize, "frame limit \(limit)")
    self.limit = limit
    self.requiresChecksums = requiresChecksums
  }

  /// Bytes held for a frame that is not complete. For tests: what bounds them.
  package var bufferedBytes: Int { partial.count + chunk.count - offset }

  /// Memory taken for a frame that spans chunks. For tests: what bounds it.
  package var reservedBytes: Int { partial.capacity }

  /// Gives it what was read. Every frame of the chunk before must have been taken.
  package mutating func feed(_ bytes: Bytes) {
    guard failure == nil else { return }
    precondition(offset == chunk.count, "\(chunk.count - offset) bytes of the last chunk not taken")
    chunk = bytes
    offset = 0
  }

  /// The next frame; `nil` where more bytes are needed. After an error, that error again.
  package mutating func next() throws(WireError) -> Frame? {
    if let failure { throw failure }
    do {
      return partial.isEmpty ? try takeFromChunk() : try takeAcrossChunks()
    } catch {
      failure = error
      chunk = Bytes()
      offset = 0
      partial = []
      throw error
    }
  }

  private mutating func takeFromChunk() throws(WireError) -> Frame? {
    let rest = chunk[offset..<chunk.count]
    guard let size = try checkedSize(of: rest), rest.count >= size else {
      // Copied, so that a few bytes do not hold on to the whole chunk.
      if !rest.isEmpty { partial.append(contentsOf: rest.array) }
      releaseChunk()
      return nil
    }
    let frame = try decode(rest[0..<size])
    offset += size
    if offset == chunk.count { releaseChunk() }
    return frame
  }

  private mutating func takeAcrossChunks() throws(WireError) -> Frame? {
    gather(upTo: Frame.headerSize)
    guard let size = try checkedSize(of: Bytes(partial)) else { return nil }
    gather(upTo: size)
    guard partial.count == size else { return nil }
    let whole = Bytes(partial)
    partial = []
    return try decode(whole)
  }

  /// Moves bytes of the chunk into `partial` until it has `count`.
  private mutating func gather(upTo count: Int) {
    let moved = min(count - partial.count, chunk.count - offset)
    guard moved > 0 else { return }
    unsafe chunk[offset..<offset + moved].withUnsafeBytes {
      unsafe partial.append(contentsOf: $0)
    }
    offset += moved
    if offset == chunk.count { releaseChunk() }
  }

  private mutating func releaseChunk() {
    chunk = Bytes()
    offset = 0
  }

  /// The size of the frame that begins here, length field included; `nil` where less than a header
  /// is there. What can be refused is refused as soon as its field has arrived.
  private func checkedSize(of bytes: Bytes) throws(WireError) -> Int? {
    guard bytes.count >= Frame.lengthSize else { return nil }
    let size = Frame.lengthSize + Int(bytes.load(UInt32.self, at: 0))
    guard size <= limit else { throw .tooLong(what: "frame", length: size, limit: limit) }
    guard size >= Frame.headerSize else {
      throw .truncated(needed: Frame.headerSize, available: size)
    }
    guard bytes.count >= Frame.headerSize else { return nil }
    let (type, flags) = try checkedHeader(of: bytes)
    if flags.contains(.checksum) {
      let needed = Frame.headerSize + Frame.checksumSize
      guard size >= needed else { throw .truncated(needed: needed, available: size) }
    } else if requiresChecksums || type == .peer {
      throw .invalid("frame: it has no checksum")
    }
    return size
  }

  private func checkedHeader(of bytes: Bytes) throws(WireError) -> (FrameType, FrameFlags) {
    guard bytes[4] == Frame.version else {
      throw .unknownValue(what: "frame version", value: UInt64(bytes[4]))
    }
    guard let type = FrameType(rawValue: bytes[5]) else {
      throw .unknownValue(what: "frame type", value: UInt64(bytes[5]))
    }
    let flags = FrameFlags(rawValue: bytes.load(UInt16.self, at: 6))
    guard FrameFlags.known.isSuperset(of: flags) else {
      throw .unknownValue(what: "frame flags", value: UInt64(flags.rawValue))
    }
    return (type, flags)
  }

  /// A whole frame, whose header `checkedSize` has passed.
  private func decode(_ bytes: Bytes) throws(WireError) -> Frame {
    let (type, flags) = try checkedHeader(of: bytes)
    var end = bytes.count
    if flags.contains(.checksum) {
      end -= Frame.checksumSize
      let found = bytes.load(UInt64.self, at: end)
      let expected = XXH3.hash(bytes[0..<end])
      guard found == expected else { throw .checksum(expected: expected, found: found) }
    }
    return Frame(
      type: type, flags: flags, stream: bytes.load(UInt32.self, at: 8),
      payload: bytes[Frame.headerSize..<end])
  }
}
