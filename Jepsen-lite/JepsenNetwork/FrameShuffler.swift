internal import KVBase

/// Sends frames of one direction of a connection twice, or in another order, by its link's rule.
/// The first frame is left alone, so that connections come to be; and so is everything in a stream
/// that is none of frames.
struct FrameShuffler {
  private(set) var tracker = FrameTracker()
  /// What is there of the frame being gathered.
  private var frame: [UInt8] = []
  private var isGathering = false
  /// The frame that goes after the next one.
  private var late: [UInt8] = []
  private(set) var reorderDeadline: UInt64?

  /// Nothing of the stream is kept back here.
  var isEmpty: Bool { frame.isEmpty && late.isEmpty }
  var count: Int { frame.count + late.count }

  /// Bytes pass unchanged; only where frames begin is kept in mind.
  mutating func pass(_ bytes: UnsafeRawBufferPointer) { unsafe tracker.pass(bytes) }

  /// What goes on of these bytes, and of those kept back.
  mutating func shuffle(
    _ bytes: UnsafeRawBufferPointer, _ link: Link, now: UInt64, _ random: inout SeededRandom
  ) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count + count)
    let moves = link.rule.movesFrames
    if !moves { surrender(into: &out) }
    var at = 0
    while at < bytes.count {
      if moves, tracker.isAtBoundary, tracker.completed > 0, !tracker.isLost { isGathering = true }
      let step = unsafe tracker.step(bytes, from: at)
      let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[at..<at + step.count])
      at += step.count
      guard isGathering else {
        unsafe out.append(contentsOf: part)
        continue
      }
      unsafe frame.append(contentsOf: part)
      if step.ends {
        isGathering = false
        schedule(link, now: now, &random, into: &out)
      } else if tracker.isLost || (tracker.frameLength ?? 0) > NetworkLimits.movedFrameBytes {
        surrender(into: &out)
      }
    }
    return out
  }

  /// Decides where the gathered frame goes.
  private mutating func schedule(
    _ link: Link, now: UInt64, _ random: inout SeededRandom, into out: inout [UInt8]
  ) {
    let isTwice = random.chance(UInt64(max(0, link.rule.duplicatePerThousand)), in: 1000)
    if isTwice {
      link.counters.duplicatedFrames += 1
      frame += frame
    }
    if !late.isEmpty {
      out += frame
      out += late
      late.removeAll()
      reorderDeadline = nil
      link.counters.reorderedFrames += 1
    } else if random.chance(UInt64(max(0, link.rule.reorderPerThousand)), in: 1000) {
      late = frame
      reorderDeadline = now + NetworkLimits.reorderTimeoutNanoseconds
    } else {
      out += frame
    }
    frame.removeAll(keepingCapacity: frame.capacity <= 1 << 16)
  }

  /// Gives up what is kept back, in the order in which it came.
  mutating func surrender(into out: inout [UInt8]) {
    out += late
    out += frame
    late.removeAll()
    frame.removeAll()
    reorderDeadline = nil
    isGathering = false
  }

  /// The frame for whose successor the time is over.
  mutating func overdue(now: UInt64) -> [UInt8] {
    guard let end = reorderDeadline, end <= now else { return [] }
    reorderDeadline = nil
    defer { late.removeAll() }
    return late
  }
}
