internal import KVBase
internal import KVClientCore
internal import KVLoop
internal import KVWire

/// One connection to one node.
final class PeerConnection: ConnectionHandler {
  let peer: PeerID
  /// The other side's HELLO has come.
  var saidHello = false
  private unowned let driver: ClientDriver
  private var decoder = FrameDecoder()
  private var connection: Connection?

  init(driver: ClientDriver, peer: PeerID, target: HostPort, hello: Bytes) {
    self.driver = driver
    self.peer = peer
    let connection = Connection.connect(loop: driver.loop, to: target, handler: self)
    let position = FrameEncoder.begin(.hello, stream: 0, into: &connection.output)
    connection.output.append(raw: hello)
    FrameEncoder.end(position, into: &connection.output)
    self.connection = connection
  }

  func send(stream: UInt32, bytes: [UInt8], from start: Int, to end: Int) {
    guard let connection else { return }
    let position = FrameEncoder.begin(.request, stream: stream, into: &connection.output)
    unsafe bytes.withUnsafeBytes {
      unsafe connection.output.append(raw: UnsafeRawBufferPointer(rebasing: $0[start..<end]))
    }
    FrameEncoder.end(position, into: &connection.output)
    connection.setNeedsFlush()
  }

  func answerPing(_ ping: Frame) {
    guard let connection else { return }
    let pong = Frame(type: .pong, stream: ping.stream, payload: ping.payload)
    FrameEncoder.append(pong, into: &connection.output)
    connection.setNeedsFlush()
  }

  func close() {
    let closed = connection
    connection = nil
    closed?.close()
  }

  // MARK: ConnectionHandler

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    guard self.connection != nil else { return }
    decoder.feed(bytes)
    driver.didReceive(&decoder, from: self)
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {
    guard self.connection != nil else { return }
    self.connection = nil
    switch reason {
    case .failed(let error) where error.kind == .refused:
      driver.didClose(self, refused: true, because: nil)
    case .failed(let error) where error.kind == .nameNotFound || error.kind == .unreachable:
      driver.didClose(self, refused: false, because: error.description)
    default:
      driver.didClose(self, refused: false, because: nil)
    }
  }
}
