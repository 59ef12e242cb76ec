internal import KVBase
internal import KVWire

/// Whom to answer: a request of a client's connection.
struct Caller: Sendable {
  var connection: ConnectionID
  var stream: UInt32
}

extension NodeOutputs {
  mutating func reply(_ caller: Caller, _ reply: KVWire.Reply) {
    let start = replyBytes.count
    reply.encode(into: &replyBytes)
    replies.append(
      Reply(
        connection: caller.connection, stream: caller.stream, start: start,
        end: replyBytes.count))
  }

  mutating func fail(_ caller: Caller, _ failure: Failure) { reply(caller, .failed(failure)) }
}
