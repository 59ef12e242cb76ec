internal import KVBase
internal import KVCommand

/// A mutation's number in the session, and its entry in the window of its group.
struct SessionTicket: Hashable, Sendable {
  var client: ClientID
  var sequence: UInt64
  var group: Int
  fileprivate var ordinal: UInt64
}

/// Who this client is to the partitions, and which of its mutations are in flight to each: what
/// makes a retry take effect once.
///
/// A mutation is *admitted* to the window of its group, and gets the next sequence number with it.
/// A full window makes it wait; a full queue refuses it. Its ticket is released when nobody waits
/// for its answer any more. A partition that has forgotten the client makes it take a new id.
struct Sessions: Sendable {
  enum Admission {
    case admitted(SessionTicket)
    case waits
    /// `Limits.clientWaitingMutations` wait already.
    case refused
  }

  private var client: ClientID
  private var nextSequence: UInt64 = 1
  /// By group; empty before the map is known.
  private var windows: [SessionWindow] = []
  private var random: SeededRandom

  init(random: SeededRandom, now: Now) {
    self.random = random
    client = ClientID(createdMilliseconds: now.wallMilliseconds, random: self.random.next())
  }

  /// The map is known. The number of groups does not change.
  mutating func prepare(groups: Int) {
    if windows.isEmpty { windows = Array(repeating: SessionWindow(), count: groups) }
    precondition(windows.count == groups, "\(groups) groups, \(windows.count) before")
  }

  mutating func admit(_ call: CallRef, to group: Int) -> Admission {
    guard windows[group].isFull else {
      let ordinal = windows[group].open(nextSequence)
      defer { nextSequence += 1 }
      return .admitted(
        SessionTicket(client: client, sequence: nextSequence, group: group, ordinal: ordinal))
    }
    return windows[group].waiting.append(call) ? .waits : .refused
  }

  /// The mutation has ended. `nextWaiting` may now give others.
  mutating func release(_ ticket: SessionTicket) { windows[ticket.group].close(ticket.ordinal) }

  /// A call that waits for `group`, where there is room for one.
  mutating func nextWaiting(for group: Int) -> CallRef? {
    windows[group].isFull ? nil : windows[group].waiting.popFirst()
  }

  /// What goes out with a mutation: its number, and the lowest one that is still unanswered.
  func stamp(_ ticket: SessionTicket) -> SessionStamp {
    SessionStamp(
      client: ticket.client, sequence: ticket.sequence,
      lowestUnacknowledged: windows[ticket.group].lowestUnacknowledged ?? ticket.sequence)
  }

  /// A partition has forgotten the client of `ticket`: it goes on under the present id, which is
  /// made anew where that is the one that was forgotten.
  mutating func renewed(_ ticket: SessionTicket, now: Now) -> SessionTicket {
    if ticket.client == client {
      client = ClientID(
        createdMilliseconds: max(now.wallMilliseconds, client.createdMilliseconds + 1),
        random: random.next())
    }
    var renewed = ticket
    renewed.client = client
    return renewed
  }
}
