package import KVBase

/// The payloads of PEER frames that a turn sends: what all groups of the node have to say to
/// another node goes into one frame, or a few where one would be too long, with what the messages
/// have in common said once in each. The buffers are kept from turn to turn.
package struct PeerFrames: Sendable {
  private struct Lane: Sendable {
    var connection: ConnectionID
    var writer = ByteWriter()
    /// Where frames end, but for the last one.
    var boundaries: [Int] = []
    /// Of the last message, where the next one can share it.
    var envelope: PeerEnvelope?

    mutating func append(_ message: PeerMessage) {
      let mark = writer.count
      message.encode(after: &envelope, into: &writer)
      let start = boundaries.last ?? 0
      guard writer.count - start > Limits.peerFrameBytes, mark > start else { return }
      // It begins a frame of its own, where it shares nothing with what came before.
      boundaries.append(mark)
      writer.truncate(to: mark)
      envelope = nil
      message.encode(after: &envelope, into: &writer)
    }

    mutating func removeAll() {
      writer.removeAll()
      boundaries.empty()
      envelope = nil
    }
  }

  private var lanes: [Lane] = []

  init() {}

  package var isEmpty: Bool { lanes.allSatisfy { $0.writer.count == 0 } }

  mutating func append(_ message: PeerMessage, on connection: ConnectionID) {
    lanes[lane(of: connection)].append(message)
  }

  /// Few nodes: found by looking at each. Lanes of earlier connections are used again.
  private mutating func lane(of connection: ConnectionID) -> Int {
    var unused: Int?
    for at in lanes.indices {
      if lanes[at].connection == connection { return at }
      if lanes[at].writer.count == 0 { unused = at }
    }
    guard let unused else {
      lanes.append(Lane(connection: connection))
      return lanes.count - 1
    }
    lanes[unused].connection = connection
    return unused
  }

  /// Visits every frame, in the order in which they must be sent on its connection.
  package func forEach(
    _ body: (_ on: ConnectionID, _ writer: ByteWriter, _ range: Range<Int>) -> Void
  ) {
    for lane in lanes where lane.writer.count > 0 {
      var start = 0
      for end in lane.boundaries {
        body(lane.connection, lane.writer, start..<end)
        start = end
      }
      body(lane.connection, lane.writer, start..<lane.writer.count)
    }
  }

  mutating func removeAll() {
    for at in lanes.indices where lanes[at].writer.count > 0 { lanes[at].removeAll() }
  }
}
