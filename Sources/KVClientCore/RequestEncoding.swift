internal import KVBase
internal import KVCommand
internal import KVWire

extension Call {
  /// Appends the payload of the call's REQUEST. `epoch`: of the replica set that it was routed by.
  /// `stamp`: of a mutation.
  func encodeRequest(
    epoch: Epoch?, stamp: SessionStamp?, now: Instant, into writer: inout ByteWriter
  ) {
    var request = Request(.map, deadline: min(deadline - now, .seconds(3600)))
    request.epoch = epoch
    switch work {
    case .mutate(let key, let change):
      encode(.mutate(keyspace: keyspace, key: key, change), stamp, &request, into: &writer)
    case .meta(let change):
      encode(.meta(change), stamp, &request, into: &writer)
    case .get(let key):
      encode(.get(keyspace: keyspace, key: key), &request, into: &writer)
    case .gets(let keys, _):
      encode(.multiGet(keyspace: keyspace, keys: keys), &request, into: &writer)
    case .page(let scan, let partition):
      request.group = GroupID(UInt32(partition + 1))
      encode(.scan(scan), &request, into: &writer)
    case .endSession(let client, let group):
      request.group = GroupID(UInt32(group))
      let stamp = SessionStamp(client: client, sequence: 0, lowestUnacknowledged: 0)
      encode(.endSession, stamp, &request, into: &writer)
    case .map: request.encode(into: &writer)
    case .status, .statusAt:
      request.body = .status
      request.encode(into: &writer)
    case .health:
      request.body = .health
      request.encode(into: &writer)
    case .multiGet, .scan, .endSessions: preconditionFailure("\(work.name) is sent as its parts")
    }
  }

  private func encode(
    _ read: ReadCommand, _ request: inout Request, into writer: inout ByteWriter
  ) {
    var group: GroupID?
    if case .group(let number) = route { group = GroupID(UInt32(number)) }
    request.body = .read(read)
    request.consistency = options.consistency
    if options.afterGroup == nil || options.afterGroup == group { request.after = options.after }
    request.maximumAge = options.maximumAge
    request.encode(into: &writer)
  }

  private func encode(
    _ body: CommandBody, _ stamp: SessionStamp?, _ request: inout Request,
    into writer: inout ByteWriter
  ) {
    guard let stamp else {
      preconditionFailure("a mutation without a session, with the route \(route)")
    }
    let command = Command(session: stamp, body: body)
    request.consistency = options.consistency
    // The command's bytes are the last of the request: written in place, not copied.
    request.body = .mutate(command, encoded: Bytes())
    request.encode(into: &writer)
    command.encode(into: &writer)
  }
}
