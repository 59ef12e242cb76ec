internal import KVBase
internal import KVCommand
internal import KVState
internal import KVWire

/// What a router asks of the engine that serves a partition.
enum EngineRequest: Sendable {
  /// A command's bytes, as the client sent them.
  case mutate(Bytes)
  case read(ReadCommand, ReadTerms)
}

/// On what terms a read is served.
struct ReadTerms: Sendable {
  var level: Consistency
  /// When waiting is given up.
  var deadline: Instant
  /// For session reads: what must be applied first.
  var after: LogIndex?
  /// For stale reads.
  var maximumAge: TimeAmount?
}

/// The contract of what serves one replica of one partition in one mode. A shard gives it inputs;
/// what it asks for goes into the context's tables and the outputs of the turn, and everything that
/// was given an input gets `finishTurn` before the turn ends.
protocol Engine: Sendable {
  /// A client's request; answered now or later, and exactly once.
  mutating func request(
    _ request: EngineRequest, caller: Caller, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs)
  /// A message of another replica of the partition. An error is a protocol violation: it closes the
  /// connection on which the message came.
  mutating func message(
    _ message: PeerMessage, now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) throws(WireError)
  /// What it asked the log to write is durable.
  mutating func persisted(
    _ completion: LogBatch.Completion.Kind, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs)
  /// What it asked to be applied is applied.
  mutating func applied(
    _ result: ApplyResult, now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs)
  /// A read that it asked for is done.
  func readDone(_ read: OpenReads.Read, _ result: ReadResult, _ outputs: inout NodeOutputs)
  /// Its `nextDeadline` has come.
  mutating func tick(now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs)
  /// Ends a turn in which it was given anything. When `tick` next has something to do; it may be
  /// called earlier.
  mutating func finishTurn(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> Instant
}
