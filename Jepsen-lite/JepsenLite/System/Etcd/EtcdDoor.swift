internal import KVBase
internal import KVLoop

/// One node of etcd, asked in JSON.
struct EtcdDoor: Sendable {
  enum Result: Sendable {
    case answer(JSON)
    /// The request was not sent, or not understood: it did not happen.
    case refused(String)
    case unknown(String)
  }

  let port: UInt16
  private let connection: HTTPConnection

  init(loop: EventLoop, port: UInt16) {
    self.port = port
    connection = HTTPConnection(loop: loop, port: port)
  }

  func close() { connection.close() }

  func ask(_ path: String, _ body: String, _ timeout: Duration) async -> Result {
    switch await connection.post(path, body, within: timeout) {
    case .notSent(let why): return .refused(why)
    case .noAnswer(let why): return .unknown(why)
    case .answer(let status, let bytes):
      guard let answer = try? JSON(parsing: bytes) else {
        return .unknown("status \(status), and no JSON")
      }
      if status == 200 { return .answer(answer) }
      let message = answer["message"]?.text ?? answer["error"]?.text ?? "status \(status)"
      // 3: invalid argument. Whatever else a node answers, the request may have gone its way.
      return answer["code"]?.integer == 3 ? .refused(message) : .unknown(message)
    }
  }
}
