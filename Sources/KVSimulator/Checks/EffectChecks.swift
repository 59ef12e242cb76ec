package import KVBase
package import KVCommand

/// What the committed log did to each key, and which mutations of clients took effect: told by the
/// first replica that applies an entry, compared with what clients are answered.
package struct EffectChecks: Sendable {
  struct Version: Sendable {
    var index: UInt64
    /// `nil`: deleted.
    var value: Bytes?
  }

  private struct GroupKey: Hashable, Sendable {
    var group: UInt32
    var keyspace: UInt32
    var key: Bytes
  }

  private struct Position: Hashable, Sendable {
    var group: UInt32
    var index: UInt64
  }

  /// What entries up to one of them have made of a key.
  struct Expected {
    var keyspace: KeyspaceID
    var key: Bytes
    var index: UInt64
    /// `nil`: deleted.
    var value: Bytes?
  }

  private struct Mutation: Hashable, Sendable {
    var client: ClientID
    var sequence: UInt64
  }

  private struct AnsweredMutation: Hashable, Sendable {
    var mutation: Mutation
    var group: UInt32
  }

  /// By key: its versions, by rising index.
  private var versions: [GroupKey: [Version]] = [:]
  /// By group and index: the key that an entry changed.
  private var changed: [Position: GroupKey] = [:]
  private var effective: [Mutation: (group: UInt32, index: UInt64)] = [:]
  /// What each group has answered for a mutation: the fingerprint of the command.
  private var answered: [AnsweredMutation: UInt64] = [:]
  /// By group: the highest index that any client was told of, and of which every later
  /// linearizable answer must know.
  private var acknowledged: [UInt64]
  private(set) var found: [(check: Check, what: String)] = []
  package private(set) var readsChecked: UInt64 = 0
  package private(set) var duplicatesSuppressed: UInt64 = 0

  package init(groups: Int) {
    acknowledged = Array(repeating: 0, count: groups)
  }

  package mutating func removeFindings() -> [(check: Check, what: String)] {
    defer { found = [] }
    return found
  }

  package var hasFound: Bool { !found.isEmpty }

  private mutating func report(_ check: Check, _ what: String) {
    if found.count < 32 { found.append((check, what)) }
  }

  // MARK: Effects

  /// The first replica applied an entry that carries a command.
  package mutating func applied(_ entry: LogEntry, _ result: CommandResult, group: GroupID) {
    guard entry.kind == .command, let command = try? Command(decoding: entry.payload) else {
      return
    }
    checkCreation(of: command.session.client, entry, group: group)
    checkIdentity(of: command, entry, result, group: group)
    guard case .mutate(let keyspace, let key, let change) = command.body,
      case .effective(let version) = result.conclusion
    else { return }
    let index = entry.index.rawValue
    guard version == entry.index else {
      // The session answered for an earlier entry.
      duplicatesSuppressed += 1
      return
    }
    let mutation = Mutation(client: command.session.client, sequence: command.session.sequence)
    if command.session.client != .none {
      if let earlier = effective[mutation] {
        report(
          .exactlyOnce,
          "mutation \(mutation.sequence) of client \(mutation.client) took effect at entry "
            + "\(earlier.index) of g\(earlier.group) and again at entry \(index) of \(group)")
      }
      effective[mutation] = (group.rawValue, index)
    }
    let recordKey = GroupKey(group: group.rawValue, keyspace: keyspace.rawValue, key: key)
    let before = versions[recordKey]?.last.flatMap { last in
      last.value.map { Record(version: LogIndex(last.index), value: $0) }
    }
    let effect = change.effect(on: before, at: entry.index)
    if effect.result != result {
      report(
        .stateMachineSafety,
        "entry \(index) of \(group), a \(change.name) of \(key), was answered \(result); on what "
          + "the log had made of the key it is \(effect.result)")
    }
    let value: Bytes? = if case .put(let value) = effect.change { value } else { nil }
    versions[recordKey, default: []].append(Version(index: index, value: value))
    changed[Position(group: group.rawValue, index: index)] = recordKey
  }

  // MARK: State

  /// What a replica that has applied `last` holds for the key that an entry changed; `nil` where it
  /// changed none.
  func expected(after entry: LogIndex, _ group: GroupID, through last: LogIndex) -> Expected? {
    guard let key = changed[Position(group: group.rawValue, index: entry.rawValue)],
      let version = versions[key]?.last(where: { $0.index <= last.rawValue })
    else { return nil }
    return Expected(
      keyspace: KeyspaceID(key.keyspace), key: key.key, index: version.index, value: version.value)
  }

  /// The first of a replica's records that is not what the log has made of its key by `index`.
  func difference(
    _ records: [(keyspace: KeyspaceID, key: Bytes, Record)], _ group: GroupID, at index: LogIndex
  ) -> String? {
    for (keyspace, key, record) in records {
      let id = GroupKey(group: group.rawValue, keyspace: keyspace.rawValue, key: key)
      let version = versions[id]?.last { $0.index <= index.rawValue }
      if version?.index != record.version.rawValue || version?.value != record.value {
        return "\(key) is \(record.value) of version \(record.version), and the log made it "
          + Self.text(version)
      }
    }
    let expected = versions.count { id, all in
      id.group == group.rawValue && all.last { $0.index <= index.rawValue }?.value != nil
    }
    return expected == records.count
      ? nil : "there are \(records.count), and the log has left \(expected)"
  }

  /// Log time is at least what the clock of the leader was that proposed the entry.
  private mutating func checkCreation(of client: ClientID, _ entry: LogEntry, group: GroupID) {
    let (latest, overflows) = entry.logTimeMilliseconds.addingReportingOverflow(
      Limits.creationAheadMilliseconds)
    guard !overflows, client.createdMilliseconds > latest else { return }
    report(
      .creationTime,
      "entry \(entry.index) of \(group) has log time \(entry.logTimeMilliseconds), and is of "
        + "client \(client)")
  }

  /// A number stands for the first command that came under it.
  private mutating func checkIdentity(
    of command: Command, _ entry: LogEntry, _ result: CommandResult, group: GroupID
  ) {
    guard command.session.client != .none, case .mutate = command.body else { return }
    switch result.conclusion {
    case .sessionRefused, .misuse: return
    case .effective, .conditionFailed, .outOfRange, .keyspaceDropped, .other: break
    }
    let number = AnsweredMutation(
      mutation: Mutation(
        client: command.session.client, sequence: command.session.sequence),
      group: group.rawValue)
    let fingerprint = Command.fingerprint(ofEncoded: entry.payload)
    guard let first = answered[number], first != fingerprint else {
      answered[number] = fingerprint
      return
    }
    report(
      .commandIdentity,
      "entry \(entry.index) of \(group) is another command under sequence "
        + "\(command.session.sequence) of client \(command.session.client), and was answered "
        + "\(result)")
  }

  // MARK: Answers

  /// What every linearizable answer to a question asked now must know, by group.
  package func floor(of group: GroupID) -> UInt64 { acknowledged[Int(group.rawValue)] }

  package var floors: [UInt64] { acknowledged }

  /// A client was told of an index: from now on it is history.
  package mutating func acknowledge(_ index: LogIndex, group: GroupID) {
    let at = Int(group.rawValue)
    acknowledged[at] = max(acknowledged[at], index.rawValue)
  }

  /// A linearizable answer, and the floors when it was asked for.
  package mutating func checkRealTime(
    _ index: LogIndex, group: GroupID, floors: [UInt64], what: @autoclosure () -> String
  ) {
    let floor = floors[Int(group.rawValue)]
    if index.rawValue < floor {
      report(
        .realTime,
        "\(what()) was answered as of entry \(index) of \(group), and entry \(floor) was "
          + "acknowledged before it was asked for")
    }
  }

  /// What a read answered, against the log: the record must be the key's at the index named, or at
  /// a later one that was already applied somewhere.
  package mutating func checkContent(
    _ record: Record?, key: Bytes, keyspace: KeyspaceID, group: GroupID, at index: LogIndex,
    what: @autoclosure () -> String
  ) {
    readsChecked += 1
    let known =
      versions[GroupKey(group: group.rawValue, keyspace: keyspace.rawValue, key: key)] ?? []
    // The version in force at the index, then all later ones.
    let start = known.lastIndex { $0.index <= index.rawValue }
    let candidates = known[(start ?? 0)...]
    if let record {
      let isThere = candidates.contains {
        $0.index == record.version.rawValue && $0.value == record.value
      }
      if !isThere {
        report(
          .readContent,
          "\(what()) answered \(record.value) of version \(record.version) as of entry \(index) of "
            + "\(group); in force there: \(Self.text(start.map { known[$0] }))")
      }
    } else if start != nil, !candidates.contains(where: { $0.value == nil }) {
      report(
        .readContent,
        "\(what()) answered that the key is absent as of entry \(index) of \(group); in force "
          + "there: \(Self.text(start.map { known[$0] }))")
    }
  }

  private static func text(_ version: Version?) -> String {
    guard let version else { return "nothing" }
    return version.value.map { "\($0) of version \(version.index)" }
      ?? "deleted at version \(version.index)"
  }

  /// A session read names the index that it was served at.
  package mutating func checkSession(
    _ index: LogIndex, group: GroupID, after: LogIndex, what: @autoclosure () -> String
  ) {
    if index < after {
      report(
        .sessionOrder,
        "\(what()) was served as of entry \(index) of \(group), and the session had seen \(after)")
    }
  }
}
