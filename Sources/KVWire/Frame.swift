package import KVBase

/// What a frame is for. The numbers are the wire's.
package enum FrameType: UInt8, Sendable, CaseIterable {
  /// The first frame of each side: versions, features, cluster, who speaks, limits.
  case hello = 1
  case request = 2
  case response = 3
  /// A part of a long answer; `end` closes it.
  case data = 4
  case end = 5
  /// The requester no longer wants the answer on this stream.
  case cancel = 6
  /// More bytes of `data` may be sent on this stream.
  case window = 7
  case ping = 8
  case pong = 9
  /// The connection is about to close, and why.
  case goaway = 10
  /// What one node sends to another in one turn. Always with a checksum.
  case peer = 11
}

/// Bits of a frame's header. A bit that this version does not know is refused, since it may change
/// what the payload means.
package struct FrameFlags: OptionSet, Hashable, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The frame ends with a checksum.
  package static var checksum: FrameFlags { FrameFlags(rawValue: 1) }

  static var known: FrameFlags { .checksum }
}

/// One frame of the native protocol, as received:
///
///     u32 length of what follows | u8 version | u8 type | u16 flags | u32 stream | payload
///     | u64 XXH3-64 of all before it, where flag bit 0 is set
///
/// The payload is a slice of the buffer that was read from the socket.
package struct Frame: Hashable, Sendable {
  package var type: FrameType
  package var flags: FrameFlags
  package var stream: UInt32
  package var payload: Bytes

  package init(type: FrameType, flags: FrameFlags = .checksum, stream: UInt32, payload: Bytes) {
    self.type = type
    self.flags = flags
    self.stream = stream
    self.payload = payload
  }

  package static var version: UInt8 { 1 }
  static var lengthSize: Int { 4 }
  /// Length, version, type, flags, stream.
  package static var headerSize: Int { 12 }
  package static var checksumSize: Int { 8 }
  /// The longest payload of a frame within `Limits.frameBytes`, with or without a checksum.
  package static var payloadLimit: Int { Limits.frameBytes - headerSize - checksumSize }
}
