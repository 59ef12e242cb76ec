internal import KVBase
internal import KVState
internal import KVWire

/// Commands that this replica proposed as leader, in the order of their indexes. None survives a
/// loss of leadership, so the first with an applied index is the one that was applied.
struct ProposalQueue: Sendable {
  private struct Pending: Sendable {
    var index: LogIndex
    /// `nil`: the node itself proposed it.
    var caller: Caller?
  }

  private var pending = RingQueue<Pending>(limit: Limits.pendingProposals)

  var isEmpty: Bool { pending.isEmpty }
  var isFull: Bool { pending.isFull }
  var count: Int { pending.count }

  mutating func append(_ index: LogIndex, caller: Caller?) {
    pending.append(Pending(index: index, caller: caller))
  }

  /// Answers those that were applied. `receipt` is that of all of them, but for the index.
  mutating func answer(
    _ result: ApplyResult, from firstIndex: LogIndex, receipt: Receipt,
    into outputs: inout NodeOutputs
  ) {
    var receipt = receipt
    while let first = pending.first, first.index <= result.index {
      _ = pending.popFirst()
      guard let caller = first.caller else { continue }
      precondition(first.index >= firstIndex, "\(first.index) was applied before \(firstIndex)")
      receipt.index = first.index
      outputs.reply(caller, .applied(result.results[first.index - firstIndex], receipt))
    }
  }

  /// Whether what was proposed takes effect is out of this node's hands.
  mutating func failAll(_ failure: Failure, into outputs: inout NodeOutputs) {
    while let first = pending.popFirst() {
      if let caller = first.caller { outputs.fail(caller, failure) }
    }
  }
}
