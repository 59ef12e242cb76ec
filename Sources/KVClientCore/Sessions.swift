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
/// for its answer any more.
///
/// The client begins under one id for all groups. One that has forgotten it, or does not admit its
/// creation time, says which time it admits (`renewed`): the client then has an id of its own for
/// that group, and keeps the other groups' sessions as they are. `endAll` gives up the sessions
/// that groups may have of it.
struct Sessions: Sendable {
  enum Admission {
    case admitted(SessionTicket)
    case waits
    /// `Limits.clientWaitingMutations` wait already.
    case refused
  }

  private let first: ClientID
  private var nextSequence: UInt64 = 1
  /// By group; empty before the map is known.
  private var windows: [SessionWindow] = []
  private var random: SeededRandom

  init(random: SeededRandom, now: Now) {
    self.random = random
    first = ClientID(createdMilliseconds: now.wallMilliseconds, random: self.random.next())
  }

  /// The map is known. The number of groups does not change.
  mutating func prepare(groups: Int) {
    if windows.isEmpty {
      windows = Array(repeating: SessionWindow(client: first), count: groups)
    }
    precondition(windows.count == groups, "\(groups) groups, \(windows.count) before")
  }

  mutating func admit(_ call: CallRef, to group: Int) -> Admission {
    guard windows[group].isFull else {
      let ordinal = windows[group].open(nextSequence)
      defer { nextSequence += 1 }
      return .admitted(
        SessionTicket(
          client: windows[group].client, sequence: nextSequence, group: group, ordinal: ordinal))
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

  /// The group of `ticket` does not admit its client: the mutation goes on under the id that the
  /// client has there now, which is made anew, with a creation time that the group admits, where
  /// that is the one that was refused.
  mutating func renewed(_ ticket: SessionTicket, createdAt time: UInt64) -> SessionTicket {
    if ticket.client == windows[ticket.group].client {
      windows[ticket.group].renew(as: ClientID(createdMilliseconds: time, random: random.next()))
    }
    var renewed = ticket
    renewed.client = windows[ticket.group].client
    return renewed
  }

  /// The groups that may have a session of this client and owe it no answer, with the ids that they
  /// know it by. It goes on under other ids.
  mutating func endAll(now: Now) -> [(group: Int, client: ClientID)] {
    var left: [(group: Int, client: ClientID)] = []
    for group in windows.indices where windows[group].isUsed && windows[group].count == 0 {
      left.append((group, windows[group].client))
      windows[group].renew(
        as: ClientID(createdMilliseconds: now.wallMilliseconds, random: random.next()))
    }
    return left
  }
}
