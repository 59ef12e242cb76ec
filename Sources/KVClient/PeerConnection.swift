internal import KVBase
internal import KVClientCore
internal import KVLoop
internal import KVWire

/// One connection to one node: frames out, frames in.
final class PeerConnection: ConnectionHandler {
  let peer: PeerID
  private unowned let driver: ClientDriver
  private var decoder = FrameDecoder()
  /// `nil` once this side has closed it: nobody is told what becomes of it.
  private var connection: Connection?

  init(driver: ClientDriver, peer: PeerID, target: HostPort) {
    self.driver = driver
    self.peer = peer
    connection = Connection.connect(loop: driver.loop, to: target, handler: self)
  }

  func send(_ type: FrameType, stream: UInt32, bytes: [UInt8], from start: Int, to end: Int) {
    guard let connection else { return }
    let position = FrameEncoder.begin(type, stream: stream, into: &connection.output)
    unsafe bytes.withUnsafeBytes {
      unsafe connection.output.append(raw: UnsafeRawBufferPointer(rebasing: $0[start..<end]))
    }
    FrameEncoder.end(position, into: &connection.output)
    connection.setNeedsFlush()
  }

  func close() {
    let closed = connection
    connection = nil
    closed?.close()
  }

  func closeAfterSending() {
    let closed = connection
    connection = nil
    closed?.closeAfterFlush()
  }

  // MARK: ConnectionHandler

  func connectionDidOpen(_ connection: Connection) {
    if self.connection != nil { driver.didOpen(self) }
  }

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
