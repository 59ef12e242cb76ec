internal import KVBase
internal import KVClient
internal import KVLoop

/// A connection to one HTTP server on this machine that stays open over its requests, of which
/// there is one at a time. HTTP/1.1 (RFC 9112), as little of it as JSON over POST needs.
///
/// Everything but `init` and `post` is for the loop's thread.
final class HTTPConnection: ConnectionHandler, @unchecked Sendable {
  enum Result: Sendable {
    case answer(status: Int, body: [UInt8])
    /// The request has not left this process.
    case notSent(String)
    /// It has, or part of it; what came of it is not known.
    case noAnswer(String)
  }

  private struct Pending {
    var continuation: CheckedContinuation<Result, Never>
    var timer: LoopTimer
    /// The bytes were given to a connection that is open.
    var isSent: Bool
  }

  private let loop: EventLoop
  private let port: UInt16
  private var connection: Connection?
  private var response = HTTPResponse()
  private var pending: Pending?

  init(loop: EventLoop, port: UInt16) {
    self.loop = loop
    self.port = port
  }

  func post(_ path: String, _ body: String, within timeout: Duration) async -> Result {
    let head =
      "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nContent-Type: application/json\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n"
    let bytes = Bytes(Array((head + body).utf8))
    return await withCheckedContinuation { continuation in
      let posted = loop.post { self.begin(bytes, TimeAmount(timeout), continuation) }
      if !posted { continuation.resume(returning: .notSent("the loop takes no more")) }
    }
  }

  func close() {
    _ = loop.post { self.end(.noAnswer("the connection was closed")) }
  }

  // MARK: On the loop's thread

  private func begin(
    _ bytes: Bytes, _ timeout: TimeAmount, _ continuation: CheckedContinuation<Result, Never>
  ) {
    guard pending == nil else {
      continuation.resume(returning: .notSent("another request is in progress"))
      return
    }
    let timer = LoopTimer(loop: loop) { [unowned self] in end(.noAnswer("no answer in time")) }
    timer.start(after: timeout)
    response = HTTPResponse()
    let open =
      connection
      ?? Connection.connect(
        loop: loop, to: HostPort(host: "127.0.0.1", port: port), handler: self)
    connection = open
    pending = Pending(continuation: continuation, timer: timer, isSent: open.isOpen)
    open.write(bytes)
  }

  /// Ends what waits, and the connection.
  private func end(_ result: Result) {
    let open = connection
    connection = nil
    open?.close()
    complete(result)
  }

  private func complete(_ result: Result) {
    guard let ended = pending else { return }
    pending = nil
    ended.timer.close()
    if case .noAnswer(let why) = result, !ended.isSent {
      ended.continuation.resume(returning: .notSent(why))
    } else {
      ended.continuation.resume(returning: result)
    }
  }

  // MARK: ConnectionHandler

  func connectionDidOpen(_ connection: Connection) {
    if connection === self.connection { pending?.isSent = true }
  }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    guard connection === self.connection else { return }
    switch response.feed(bytes) {
    case .more: break
    case .broken: end(.noAnswer("the answer is not HTTP"))
    case .complete(let status, let body): complete(.answer(status: status, body: body))
    }
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {
    guard connection === self.connection else { return }
    self.connection = nil
    complete(.noAnswer("\(reason)"))
  }
}

/// A response that comes in pieces.
struct HTTPResponse {
  enum Progress {
    case more
    case broken
    case complete(status: Int, body: [UInt8])
  }

  private static let longest = 16 << 20
  private var bytes: [UInt8] = []

  mutating func feed(_ piece: Bytes) -> Progress {
    bytes += piece.array
    guard bytes.count <= Self.longest else { return .broken }
    guard let end = Self.find("\r\n\r\n", in: bytes[...]) else { return .more }
    let head = String(decoding: bytes[..<end], as: UTF8.self)
    let lines = head.split(whereSeparator: \.isNewline)
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      return .broken
    }
    let body = bytes[(end + 4)...]
    if let length = Self.header("content-length", lines).flatMap({ Int($0) }) {
      guard length >= 0 else { return .broken }
      return body.count < length
        ? .more : .complete(status: status, body: Array(body.prefix(length)))
    }
    guard Self.header("transfer-encoding", lines)?.lowercased() == "chunked" else {
      return .broken
    }
    return Self.chunks(body, status)
  }

  private static func header(_ name: String, _ lines: [Substring]) -> String? {
    for line in lines {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == name else { continue }
      return parts[1].drop { $0 == " " }.description
    }
    return nil
  }

  private static func find(_ text: String, in bytes: ArraySlice<UInt8>) -> Int? {
    let pattern = Array(text.utf8)
    return bytes.indices.first { bytes[$0...].starts(with: pattern) }
  }

  private static func chunks(_ encoded: ArraySlice<UInt8>, _ status: Int) -> Progress {
    var remaining = encoded
    var body: [UInt8] = []
    while true {
      guard let end = find("\r\n", in: remaining) else { return .more }
      let size = String(
        decoding: remaining[..<end].prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
      guard let count = Int(size, radix: 16), count >= 0, count <= longest else { return .broken }
      remaining = remaining[(end + 2)...]
      guard remaining.count >= count + 2 else { return .more }
      if count == 0 { return .complete(status: status, body: body) }
      body += remaining.prefix(count)
      remaining = remaining.dropFirst(count + 2)
    }
  }
}
