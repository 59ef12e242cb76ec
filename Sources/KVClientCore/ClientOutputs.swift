package import KVBase

/// What a `ClientCore` asks its interpreter for; a reused buffer. Carried out in the order of the
/// lists: closes, connects, sends, completions.
package struct ClientOutputs: Sendable {
  /// Open a connection, send `ClientCore.hello`, and answer with `connected` or `disconnected`.
  package struct Connect: Sendable {
    package var peer: PeerID
    package var address: String
  }

  /// The payload of a REQUEST frame on `stream` is `sendBytes[start..<end]`. Where its connection
  /// has ended meanwhile it is dropped: it must not go to the next one.
  package struct Send: Sendable {
    package var peer: PeerID
    package var stream: UInt32
    package var start: Int
    package var end: Int
  }

  package struct Completion: Sendable {
    package var call: CallID
    package var outcome: Outcome
  }

  /// Close the connection, or give up opening it. No further input may come from it.
  package var closes: [PeerID] = []
  package var connects: [Connect] = []
  package var sends: [Send] = []
  package var sendBytes = ByteWriter()
  package var completions: [Completion] = []

  package init() {}

  package var isEmpty: Bool {
    closes.isEmpty && connects.isEmpty && sends.isEmpty && completions.isEmpty
  }

  package mutating func removeAll() {
    closes.removeAll(keepingCapacity: true)
    connects.removeAll(keepingCapacity: true)
    sends.removeAll(keepingCapacity: true)
    sendBytes.removeAll()
    completions.removeAll(keepingCapacity: true)
  }
}
