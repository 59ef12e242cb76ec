internal import KVBase
internal import KVWire

/// The frames that links have sent, whichever side opened the connection.
extension NodeOutputs {
  mutating func send(_ hello: Hello, on connection: ConnectionID) {
    var writer = ByteWriter()
    hello.encode(into: &writer)
    send(.hello, stream: 0, writer.take(), on: connection)
  }

  mutating func send(_ goaway: Goaway, on connection: ConnectionID) {
    var writer = ByteWriter()
    goaway.encode(into: &writer)
    send(.goaway, stream: 0, writer.take(), on: connection)
  }

  mutating func sendPing(on connection: ConnectionID) {
    send(.ping, stream: 0, Bytes(), on: connection)
  }

  /// Sends the payload and the stream of a PING back.
  mutating func sendPong(to ping: Frame, on connection: ConnectionID) {
    send(.pong, stream: ping.stream, ping.payload, on: connection)
  }

  private mutating func send(
    _ type: FrameType, stream: UInt32, _ payload: Bytes, on connection: ConnectionID
  ) {
    frames.append(
      LinkFrame(connection: connection, type: type, stream: stream, payload: payload))
  }

  /// Says why, and closes the connection once that has left.
  mutating func close(_ connection: ConnectionID, saying goaway: Goaway) {
    send(goaway, on: connection)
    connections.append(.closeWhenSent(connection))
  }
}
