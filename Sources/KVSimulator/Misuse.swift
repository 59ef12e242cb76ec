import KVBase
import KVCommand
import KVWire

/// A program that numbers its commands wrongly: beside the request of a client comes another
/// command under the same client id and sequence. Whichever is applied first has its effect; the
/// other is to be refused, and not answered with what the first one did.
enum Misuse {
  /// Requests of it are on streams that no client opens.
  static let streams: UInt32 = 1 << 31

  /// A request like that one, which mutates another key of the same partition; `nil` where that one
  /// is no mutation of a key. No client reads the key.
  static func request(beside payload: Bytes) -> Bytes? {
    guard var request = try? Request(decoding: payload),
      case .mutate(let command, _) = request.body,
      case .mutate(let keyspace, let key, _) = command.body, let text = key.text
    else { return nil }
    let other = Command(
      session: command.session,
      body: .mutate(
        keyspace: keyspace, key: Bytes("misuse{\(text)}"), .put(value: "misuse")))
    var encoded = ByteWriter()
    other.encode(into: &encoded)
    request.body = .mutate(other, encoded: encoded.take())
    var writer = ByteWriter()
    request.encode(into: &writer)
    return writer.take()
  }
}
