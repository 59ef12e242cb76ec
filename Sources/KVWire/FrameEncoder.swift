package import KVBase

/// Where a frame that is being written begins in its writer.
package struct FramePosition: Sendable {
  let start: Int
  let checksummed: Bool
}

/// Writes frames straight into a connection's outgoing bytes: the header with a hole for the
/// length, then the payload by the caller, then length and checksum. No payload is copied.
///
///     let position = FrameEncoder.begin(.response, stream: 7, into: &writer)
///     response.encode(into: &writer)
///     FrameEncoder.end(position, into: &writer)
package enum FrameEncoder {
  /// Appends the header. Every `begin` is followed by one `end` or `abandon` on the same writer,
  /// before the next `begin`.
  package static func begin(
    _ type: FrameType, stream: UInt32, flags: FrameFlags = .checksum, into writer: inout ByteWriter
  ) -> FramePosition {
    precondition(
      type != .peer || flags.contains(.checksum), "a peer frame with flags \(flags.rawValue)")
    let position = FramePosition(start: writer.count, checksummed: flags.contains(.checksum))
    writer.append(UInt32(0))
    writer.append(Frame.version)
    writer.append(type.rawValue)
    writer.append(flags.rawValue)
    writer.append(stream)
    return position
  }

  /// Fills in the length and appends the checksum. The payload is at most `Frame.payloadLimit`.
  package static func end(_ position: FramePosition, into writer: inout ByteWriter) {
    let payload = payloadCount(position, in: writer)
    precondition(
      payload >= 0 && payload <= Frame.payloadLimit,
      "a payload of \(payload) bytes, the limit is \(Frame.payloadLimit)")
    let checksum = position.checksummed ? Frame.checksumSize : 0
    let length = Frame.headerSize - Frame.lengthSize + payload + checksum
    writer.overwrite(UInt32(length), at: position.start)
    if position.checksummed { writer.append(writer.checksum(from: position.start)) }
  }

  /// Takes back what was written since `begin`: for a payload that turned out not to fit.
  package static func abandon(_ position: FramePosition, in writer: inout ByteWriter) {
    precondition(
      position.start <= writer.count, "frame at \(position.start) of \(writer.count) bytes")
    writer.bytes.removeLast(writer.count - position.start)
  }

  /// Payload bytes written since `begin`.
  package static func payloadCount(_ position: FramePosition, in writer: ByteWriter) -> Int {
    writer.count - position.start - Frame.headerSize
  }

  /// A whole frame at once.
  package static func append(_ frame: Frame, into writer: inout ByteWriter) {
    let position = begin(frame.type, stream: frame.stream, flags: frame.flags, into: &writer)
    writer.append(raw: frame.payload)
    end(position, into: &writer)
  }
}
