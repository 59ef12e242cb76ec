package import KVBase

/// The payloads of PEER frames that a turn sends: what all groups of the node have to say to
/// another node goes into one frame, or a few where one would be too long. The buffers are kept
/// from turn to turn.
package struct PeerFrames: Sendable {
  private struct Lane: Sendable {
    var node: NodeID
    var writer = ByteWriter()
    /// Where frames end, but for the last one.
    var boundaries: [Int] = []
  }

  private var lanes: [Lane] = []

  init() {}

  package var isEmpty: Bool { lanes.allSatisfy { $0.writer.count == 0 } }

  mutating func append(_ message: PeerMessage, to node: NodeID) {
    let at = lane(of: node)
    let mark = lanes[at].writer.count
    message.encode(into: &lanes[at].writer)
    let start = lanes[at].boundaries.last ?? 0
    if lanes[at].writer.count - start > Limits.peerFrameBytes, mark > start {
      lanes[at].boundaries.append(mark)
    }
  }

  /// Few nodes: found by looking at each.
  private mutating func lane(of node: NodeID) -> Int {
    for at in lanes.indices where lanes[at].node == node { return at }
    lanes.append(Lane(node: node))
    return lanes.count - 1
  }

  /// Visits every frame, in the order in which they must be sent to its node.
  package func forEach(_ body: (_ to: NodeID, _ writer: ByteWriter, _ range: Range<Int>) -> Void) {
    for lane in lanes where lane.writer.count > 0 {
      var start = 0
      for end in lane.boundaries {
        body(lane.node, lane.writer, start..<end)
        start = end
      }
      body(lane.node, lane.writer, start..<lane.writer.count)
    }
  }

  mutating func removeAll() {
    for at in lanes.indices where lanes[at].writer.count > 0 {
      lanes[at].writer.removeAll()
      lanes[at].boundaries.removeAll(keepingCapacity: true)
    }
  }
}
