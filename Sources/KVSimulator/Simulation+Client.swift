internal import JepsenHistory
import KVBase
import KVClientCore
import KVCommand
import KVWire

/// The loop of a client, as the real client's interpreter runs it, and the judgement of what it is
/// answered.
extension Simulation {
  /// Clients' machines have exact clocks.
  var clientNow: Now {
    Now(
      instant: Instant(nanoseconds: time + 1_000_000_000),
      wallMilliseconds: SimulatedClock.wallStart + time / 1_000_000)
  }

  func think(_ client: SimulatedClient, lane: Int) {
    guard client.lanes[lane].pending == nil, time < loadEnds else { return }
    let operation = workload.next(
      time: time, lastSeen: client.lanes[lane].lastSeen, random: &client.random)
    let timeout = TimeAmount.milliseconds(client.random.chance(1, in: 4) ? 700 : 3_000)
    begin(operation, client, lane: lane, timeout: timeout)
  }

  func begin(
    _ operation: PlannedOperation, _ client: SimulatedClient, lane: Int, timeout: TimeAmount
  ) {
    client.nextCall += 1
    let call = CallID(client.nextCall)
    var options = CallOptions(timeout: timeout)
    var after = LogIndex.zero
    if case .read(let level) = operation.kind {
      options.consistency = level
      if level == .session, let group = client.groupOfKey[operation.key] {
        after = client.seen[Int(group.rawValue)]
        options.after = after
      }
    }
    client.lanes[lane].pending = SimulatedClient.Pending(
      call: call, operation: operation, start: time, floors: effectChecks.floors, after: after)
    counts.operations += 1
    trace.record(
      time, 10, UInt64(client.process(lane: lane)), call.rawValue,
      "c\(client.index + 1).\(lane) asks \(call.rawValue): \(operation.kind) \(operation.key)")
    client.core.call(
      call, operation.call, options: options, now: clientNow, into: &client.outputs)
    carryOut(client)
  }

  func wake(_ client: SimulatedClient) {
    client.wakeAt = .max
    client.core.tick(now: clientNow, into: &client.outputs)
    carryOut(client)
  }

  /// Carries out what the core asks for. That may complete calls, and completions may begin others.
  private func carryOut(_ client: SimulatedClient) {
    while !client.outputs.isEmpty {
      var outputs = client.spareOutputs.popLast() ?? ClientOutputs()
      swap(&outputs, &client.outputs)
      for step in outputs.steps { carryOut(step, outputs.sendBytes, client) }
      drainNetwork()
      for completion in outputs.completions { complete(completion, client) }
      outputs.removeAll()
      client.spareOutputs.append(outputs)
    }
    scheduleWake(client)
  }

  private func carryOut(
    _ step: ClientOutputs.Step, _ bytes: ByteWriter, _ client: SimulatedClient
  ) {
    switch step {
    case .connect(let peer): connect(client, peer)
    case .send(let send):
      guard let connection = client.connection(of: send.peer) else { return }
      let payload = Bytes(Array(bytes.bytes[send.start..<send.end]))
      let frame = Frame(type: send.type, stream: send.stream, payload: payload)
      network.send(connection, toOpener: false, .frame(frame), time: time)
    case .close(let peer):
      guard let connection = client.connection(of: peer) else { return }
      client.connections[Int(peer.rawValue)] = nil
      network.close(connection, tellOpener: false, tellAcceptor: true, time: time)
    case .closeAfterSending(let peer):
      guard let connection = client.connection(of: peer) else { return }
      client.connections[Int(peer.rawValue)] = nil
      network.closeWhenSent(connection, byOpener: true, time: time)
    }
  }

  private func scheduleWake(_ client: SimulatedClient) {
    guard let deadline = client.core.nextDeadline else { return }
    let shown = clientNow.instant.nanoseconds
    let due = time + (max(deadline.nanoseconds, shown) - shown)
    guard due < client.wakeAt, due < UInt64.max / 2 else { return }
    client.wakeAt = due
    queue.schedule(.clientWake(client: client.index), at: due)
  }

  private func connect(_ client: SimulatedClient, _ peer: PeerID) {
    let at = Int(peer.rawValue)
    while client.connections.count <= at { client.connections.append(nil) }
    let address = client.core.address(of: peer)
    guard let node = nodes.firstIndex(where: { Self.address(of: $0.index) == address }) else {
      return
    }
    client.connections[at] = dial(from: client.endpoint, to: node)
  }

  // MARK: Inputs

  func clientOpened(_ index: Int, connection: Int) {
    let client = clients[index]
    guard let at = client.connections.firstIndex(of: connection) else { return }
    client.core.opened(PeerID(UInt32(at)), now: clientNow, into: &client.outputs)
    carryOut(client)
  }

  func clientReceives(_ index: Int, connection: Int, _ frame: Frame) {
    let client = clients[index]
    guard let at = client.connections.firstIndex(of: connection) else { return }
    let peer = PeerID(UInt32(at))
    switch frame.type {
    case .hello where (try? Hello(decoding: frame.payload)) == nil:
      return violate(.peerProtocol, "a client can't read a node's HELLO")
    case .response:
      do throws(WireError) {
        _ = try Reply(decoding: frame.payload)
      } catch {
        violate(.peerProtocol, "a client can't read a reply: \(error)")
      }
    default: break
    }
    client.core.received(
      frame.type, stream: frame.stream, frame.payload, from: peer, now: clientNow,
      into: &client.outputs)
    carryOut(client)
  }

  func clientLoses(_ index: Int, connection: Int, refused: Bool) {
    let client = clients[index]
    guard let at = client.connections.firstIndex(of: connection) else { return }
    client.connections[at] = nil
    client.core.closed(
      PeerID(UInt32(at)), refused: refused, now: clientNow, into: &client.outputs)
    carryOut(client)
  }

  // MARK: Completions

  private func complete(_ completion: ClientOutputs.Completion, _ client: SimulatedClient) {
    guard
      let lane = client.lanes.firstIndex(where: { $0.pending?.call == completion.call }),
      let pending = client.lanes[lane].pending
    else {
      return violate(.liveness, "call \(completion.call.rawValue) ended twice")
    }
    client.lanes[lane].pending = nil
    trace.record(
      time, 11, UInt64(client.process(lane: lane)), completion.call.rawValue,
      "c\(client.index + 1).\(lane) is answered \(completion.call.rawValue): \(completion.outcome)")
    judge(completion.outcome, pending, client, lane: lane)
    takeFound()
    if time < loadEnds {
      queue.schedule(
        .clientThink(client: client.index, lane: lane),
        at: time + workload.pause(&client.random))
    } else {
      if pending.start >= loadEnds, !wasAnswered(completion.outcome) {
        keysToRead.append(pending.operation.key)
      }
      finalReads(client, lane: lane)
    }
  }

  private func wasAnswered(_ outcome: Outcome) -> Bool {
    if case .record = outcome { true } else { false }
  }

  private func judge(
    _ outcome: Outcome, _ pending: SimulatedClient.Pending, _ client: SimulatedClient, lane: Int
  ) {
    var operation = Self.historyOperation(pending, process: client.process(lane: lane))
    operation.endNanoseconds = time
    switch outcome {
    case .applied(let result, let receipt):
      saw(receipt, pending, client)
      effectChecks.checkRealTime(
        receipt.index, group: receipt.group, floors: pending.floors,
        what: "c\(client.index + 1)'s \(operation.kind.rawValue) of \(operation.key)")
      effectChecks.acknowledge(receipt.index, group: receipt.group)
      Self.record(result, in: &operation)
    case .record(let record, let receipt):
      saw(receipt, pending, client)
      judge(record, receipt, pending, client)
      operation.value = Workload.historyValue(record?.value.text, of: operation.key)
      operation.outcome = .ok
      client.lanes[lane].lastSeen[operation.key] = .some(record?.value.text)
    case .rejected(let failure):
      operation.outcome = .refused(failure.message)
      counts.refusals += 1
    case .unknown:
      operation.outcome = .unknown
      operation.endNanoseconds = nil
    case .records, .page, .map, .status, .health:
      return violate(.readContent, "\(operation.kind.rawValue) was answered by \(outcome)")
    }
    switch operation.outcome {
    case .ok, .mismatch: counts.definite += 1
    case .refused: break
    case .unknown: counts.unknown += 1
    }
    if case .read(let level) = pending.operation.kind, level == .stale || level == .session {
      return
    }
    history.append(operation)
  }

  private func saw(
    _ receipt: Receipt, _ pending: SimulatedClient.Pending, _ client: SimulatedClient
  ) {
    client.groupOfKey[pending.operation.key] = receipt.group
    let at = Int(receipt.group.rawValue)
    client.seen[at] = max(client.seen[at], receipt.index)
    servedCounts[Int(receipt.served.rawValue)] += 1
  }

  private func judge(
    _ record: Record?, _ receipt: Receipt, _ pending: SimulatedClient.Pending,
    _ client: SimulatedClient
  ) {
    let key = pending.operation.key
    let what = "c\(client.index + 1)'s read of \(key) on \(receipt.node) (\(receipt.served))"
    effectChecks.checkContent(
      record, key: Bytes(key), keyspace: .default, group: receipt.group, at: receipt.index,
      what: what)
    guard case .read(let level) = pending.operation.kind else { return }
    switch level {
    case .linearizable, .quorum:
      effectChecks.checkRealTime(
        receipt.index, group: receipt.group, floors: pending.floors, what: what)
      // What was read has happened, for everybody who asks from now on.
      effectChecks.acknowledge(receipt.index, group: receipt.group)
    case .session:
      effectChecks.checkSession(
        receipt.index, group: receipt.group, after: pending.after, what: what)
    case .stale, .one, .all: break
    }
  }

  private static func record(_ result: CommandResult, in operation: inout HistoryOperation) {
    switch result.conclusion {
    case .effective:
      operation.outcome = .ok
      if case .added(let sum, _) = result { operation.result = .integer(sum) }
    case .conditionFailed: operation.outcome = .mismatch
    case .sessionRefused:
      operation.outcome = .unknown
      operation.endNanoseconds = nil
    case .outOfRange, .keyspaceDropped, .other: operation.outcome = .refused("\(result)")
    }
  }

  private static func historyOperation(
    _ pending: SimulatedClient.Pending, process: Int
  ) -> HistoryOperation {
    var operation = HistoryOperation(
      process: process, kind: .read, key: pending.operation.key, startNanoseconds: pending.start,
      endNanoseconds: nil, outcome: .unknown)
    switch pending.operation.kind {
    case .read: break
    case .write(let value):
      operation.kind = .write
      operation.value = .text(value)
    case .cas(let expected, let new):
      operation.kind = .cas
      operation.expected = expected.map { .text($0) }
      operation.value = .text(new)
    case .delete: operation.kind = .delete
    case .add(let delta):
      operation.kind = .add
      operation.value = .integer(delta)
    case .append(let element):
      operation.kind = .append
      operation.value = .text(element)
    }
    return operation
  }
}

extension SimulatedClient {
  func connection(of peer: PeerID) -> Int? {
    Int(peer.rawValue) < connections.count ? connections[Int(peer.rawValue)] : nil
  }
}
