import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

/// What a client does where a partition does not admit its session, and when it leaves
/// (ARCHITECTURE.md, "Exactly once").
@Suite struct SessionTests {
  private func put(_ key: Bytes) -> ClientOperation { .mutate(key: key, .put(value: "v")) }

  private func isWritten(_ outcome: Outcome?) -> Bool {
    if case .applied(.written, _)? = outcome { true } else { false }
  }

  private func clients(_ cluster: FakeCluster, of key: Bytes) -> [ClientID] {
    cluster.received.compactMap {
      $0.command?.target?.key == key ? $0.command?.session.client : nil
    }
  }

  /// Leaders answer mutations as `answer` says, and as ever where it says nothing.
  private func script(
    _ cluster: FakeCluster,
    _ answer: @escaping (Command, Receipt) -> FakeCluster.Scripted?
  ) {
    cluster.script = { [unowned cluster] node, request in
      guard case .mutate(let command, _) = request.body, let key = command.target?.key,
        cluster.leader(of: key) == node
      else { return nil }
      return answer(command, cluster.receipt(node, cluster.group(of: key), .commit))
    }
  }

  @Test func anExpiredSessionIsRenewedWhereNothingIsUncertain() {
    let cluster = FakeCluster()
    var expired = 1
    script(cluster) { _, receipt in
      guard expired > 0 else { return nil }
      expired -= 1
      return .reply(.applied(.sessionExpired(renewAt: 5), receipt))
    }
    #expect(isWritten(cluster.run(put("a"))))
    #expect(Set(clients(cluster, of: "a")).count == 2)
    #expect(clients(cluster, of: "a").last?.createdMilliseconds == 5)
  }

  @Test func anExpiredSessionAfterALostAnswerIsUnknown() {
    for refusal in [CommandResult.sessionExpired(renewAt: 5), .createdAhead(renewAt: 5)] {
      let cluster = FakeCluster()
      _ = cluster.run(put("warm"))
      var step = 0
      script(cluster) { _, receipt in
        step += 1
        return step == 1 ? .applyThenDisconnect : .reply(.applied(refusal, receipt))
      }
      let outcome = cluster.run(put("a"))
      guard case .unknown = outcome else {
        Issue.record("\(String(describing: outcome))")
        continue
      }
      #expect(Set(clients(cluster, of: "a")).count == 1)
    }
  }

  /// The others in flight to the partition: each is renewed or in doubt by itself.
  @Test func whatIsInDoubtIsUnknownAndTheRestIsRenewed() {
    let cluster = FakeCluster()
    _ = cluster.run(put("k"))
    cluster.script = { _, request in
      if case .mutate = request.body { .silence } else { nil }
    }
    let lost = cluster.call(put("k"))
    cluster.disconnect(cluster.leader(of: "k"))
    script(cluster) { command, receipt in
      command.session.client.createdMilliseconds == 9
        ? nil : .reply(.applied(.sessionExpired(renewAt: 9), receipt))
    }
    let later = cluster.call(put("k"))
    cluster.finish(lost)
    cluster.finish(later)
    guard case .unknown? = cluster.completions[lost] else {
      Issue.record("\(String(describing: cluster.completions[lost]))")
      return
    }
    #expect(isWritten(cluster.completions[later]))
  }

  /// A partition whose floor is far beyond this client's clock: it is not locked out.
  @Test func aClientWhoseClockIsSlowIsNotLockedOut() {
    let cluster = FakeCluster()
    let floor = cluster.wall + 3_600_000
    script(cluster) { command, receipt in
      command.session.client.createdMilliseconds > floor
        ? nil : .reply(.applied(.sessionExpired(renewAt: floor + 1), receipt))
    }
    let outcome = cluster.run(put("a"))
    #expect(isWritten(outcome), "\(String(describing: outcome))")
  }

  /// The leader refuses its creation time: it takes the leader's.
  @Test func aClientWhoseClockIsFastIsNotLockedOut() {
    let cluster = FakeCluster()
    let present = cluster.wall - 86_400_000
    script(cluster) { command, _ in
      guard command.session.client.createdMilliseconds > present else { return nil }
      return .reply(
        .failed(
          Failure(
            .failedPrecondition, .createdAhead, notStarted: true, "ahead", renewAt: present)))
    }
    let outcome = cluster.run(put("a"))
    #expect(isWritten(outcome), "\(String(describing: outcome))")
    #expect(clients(cluster, of: "a").last?.createdMilliseconds == present)
  }

  /// A partition that never admits anybody: the call ends, and says why.
  @Test func renewalEnds() {
    let cluster = FakeCluster()
    script(cluster) { _, receipt in .reply(.applied(.sessionExpired(renewAt: 5), receipt)) }
    guard case .rejected(let failure)? = cluster.run(put("a")) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.message.contains("forgotten this client"))
    #expect(clients(cluster, of: "a").count == 1 + Int(Limits.sessionRenewals))
  }

  /// One partition has forgotten the client: the sessions of the others go on.
  @Test func onlyThePartitionThatForgotIsRenewed() {
    let cluster = FakeCluster()
    let other = (0..<100).map { Bytes("key \($0)") }.first {
      cluster.group(of: $0) != cluster.group(of: "a")
    }
    guard let other else { return #expect(Bool(false)) }
    #expect(isWritten(cluster.run(put("a"))) && isWritten(cluster.run(put(other))))
    script(cluster) { command, receipt in
      command.target?.key != "a" || command.session.client.createdMilliseconds == 9
        ? nil : .reply(.applied(.sessionExpired(renewAt: 9), receipt))
    }
    #expect(isWritten(cluster.run(put("a"))) && isWritten(cluster.run(put(other))))
    #expect(Set(clients(cluster, of: "a")).count == 2)
    #expect(Set(clients(cluster, of: other)).count == 1)
  }

  /// The number was another command's: an error that says so, though an answer was lost before.
  @Test func aNumberOfAnotherCommandIsRefused() {
    let cluster = FakeCluster()
    _ = cluster.run(put("warm"))
    var step = 0
    script(cluster) { _, receipt in
      step += 1
      return step == 1 ? .disconnect : .reply(.applied(.sequenceReused, receipt))
    }
    guard case .rejected(let failure)? = cluster.run(put("a")) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.code == .invalidArgument && failure.message.contains("another command"))
  }

  // MARK: Leaving

  private func ends(_ cluster: FakeCluster) -> [(group: GroupID?, client: ClientID)] {
    cluster.received.compactMap {
      $0.command?.body == .endSession
        ? ($0.request.group, $0.command?.session.client ?? .none) : nil
    }
  }

  @Test func whoLeavesTellsEachPartitionThatItUsed() throws {
    let cluster = FakeCluster()
    let keys = (0..<6).map { Bytes("key \($0)") }
    for key in keys { #expect(isWritten(cluster.run(put(key)))) }
    _ = cluster.run(.get(key: "elsewhere"))
    let client = try #require(clients(cluster, of: keys[0]).first)
    guard case .sessionsEnded? = cluster.run(.endSessions) else {
      Issue.record("not ended")
      return
    }
    let used = Set(keys.map { cluster.group(of: $0) })
    let told = ends(cluster)
    #expect(told.count == used.count && Set(told.compactMap(\.group)) == used)
    #expect(told.allSatisfy { $0.client == client })
    // Told once; and what it does from now on is another client's.
    guard case .sessionsEnded? = cluster.run(.endSessions) else {
      Issue.record("not ended")
      return
    }
    #expect(ends(cluster).count == used.count)
    #expect(isWritten(cluster.run(put(keys[0]))))
    #expect(clients(cluster, of: keys[0]).last != client)
  }

  @Test func whoHasOnlyReadLeavesWithoutAWord() {
    let cluster = FakeCluster()
    _ = cluster.run(.get(key: "a"))
    let count = cluster.received.count
    guard case .sessionsEnded? = cluster.run(.endSessions) else {
      Issue.record("not ended")
      return
    }
    #expect(cluster.received.count == count)
  }

  /// What is in flight keeps its session: a retry of it is still answered.
  @Test func aPartitionWithSomethingInFlightIsNotTold() {
    let cluster = FakeCluster()
    #expect(isWritten(cluster.run(put("a"))))
    cluster.script = { _, request in
      if case .mutate = request.body { .silence } else { nil }
    }
    let open = cluster.call(put("a"))
    cluster.script = nil
    guard case .sessionsEnded? = cluster.run(.endSessions) else {
      Issue.record("not ended")
      return
    }
    #expect(ends(cluster).isEmpty)
    cluster.finish(open)
    #expect(isWritten(cluster.completions[open]))
    #expect(Set(clients(cluster, of: "a")).count == 1)
  }

  /// Nobody answers: it ends in time all the same, and leaves nothing behind.
  @Test func leavingIsBounded() {
    let cluster = FakeCluster()
    #expect(isWritten(cluster.run(put("a"))))
    for node in cluster.replicas(of: 0) { cluster.health[node] = .silent }
    let began = cluster.now
    let id = cluster.call(.endSessions, CallOptions(timeout: Limits.sessionEndTimeout))
    cluster.finish(id)
    #expect(cluster.completions[id] != nil)
    #expect(cluster.now - began <= Limits.sessionEndTimeout)
    #expect(cluster.core.callsInProgress == 0)
  }
}
