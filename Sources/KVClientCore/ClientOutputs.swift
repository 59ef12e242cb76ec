package import KVBase
package import KVWire

/// What a `ClientCore` asks its interpreter for; a reused buffer. The steps are carried out in
/// their order, then the completions.
package struct ClientOutputs: Sendable {
  /// A frame on the present connection to a peer. Its payload is `sendBytes[start..<end]`.
  package struct Send: Sendable {
    package var peer: PeerID
    package var type: FrameType
    package var stream: UInt32
    package var start: Int
    package var end: Int
  }

  package enum Step: Sendable {
    /// Open a connection to `ClientCore.address(of:)`, and answer with `opened` or `closed`.
    case connect(PeerID)
    case send(Send)
    /// Close the connection, or give up opening it. No further input may come from it.
    case close(PeerID)
    /// The same, once what was sent on it has left, or soon after.
    case closeAfterSending(PeerID)
  }

  package struct Completion: Sendable {
    package var call: CallID
    package var outcome: Outcome
  }

  package var steps: [Step] = []
  package var sendBytes = ByteWriter()
  package var completions: [Completion] = []

  package init() {}

  package var isEmpty: Bool { steps.isEmpty && completions.isEmpty }

  package mutating func removeAll() {
    steps.empty()
    sendBytes.removeAll()
    completions.empty()
  }

  /// A frame whose payload is what was appended to `sendBytes` from `start` on.
  mutating func send(_ type: FrameType, to peer: Int, stream: UInt32 = 0, from start: Int) {
    steps.append(
      .send(
        Send(
          peer: PeerID(peer), type: type, stream: stream, start: start, end: sendBytes.count)))
  }
}
