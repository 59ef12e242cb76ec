internal import KVBase

/// Where frames begin and end in a stream: a big-endian `u32` length of what follows, and that.
struct FrameTracker {
  private var header: UInt32 = 0
  private var headerBytes = 0
  private var left = 0
  /// Frames that are whole.
  private(set) var completed = 0
  /// The stream is none of frames, or has lost its way; it is looked at no more.
  private(set) var isLost = false

  /// Between two frames.
  var isAtBoundary: Bool { headerBytes == 0 }
  /// The length of the frame being read, its length field included; `nil` until that is known.
  var frameLength: Int? { headerBytes == 4 ? Int(header) + 4 : nil }

  /// Passes over the rest of the current frame, as far as it is there.
  /// - Returns: how many bytes that were, and whether the frame is whole with them.
  mutating func step(_ bytes: UnsafeRawBufferPointer, from start: Int) -> (count: Int, ends: Bool) {
    precondition(start < bytes.count, "step from \(start) of \(bytes.count)")
    guard !isLost else { return (bytes.count - start, false) }
    var at = start
    while headerBytes < 4 {
      guard at < bytes.count else { return (at - start, false) }
      header = header << 8 | UInt32(unsafe bytes[at])
      headerBytes += 1
      at += 1
      if headerBytes == 4 {
        guard Int(header) + 4 <= Limits.frameBytes else {
          isLost = true
          return (bytes.count - start, false)
        }
        left = Int(header)
      }
    }
    let taken = min(left, bytes.count - at)
    left -= taken
    at += taken
    guard left == 0 else { return (at - start, false) }
    headerBytes = 0
    header = 0
    completed += 1
    return (at - start, true)
  }

  mutating func pass(_ bytes: UnsafeRawBufferPointer) {
    var at = 0
    while at < bytes.count { unsafe at += step(bytes, from: at).count }
  }
}
