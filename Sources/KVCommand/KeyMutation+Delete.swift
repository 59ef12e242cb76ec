internal import KVBase

extension KeyMutation {
  /// Deletes the record where the condition holds. Fields: condition.
  package struct Delete: KeyMutationKind {
    package var condition: Condition

    package init(condition: Condition) { self.condition = condition }
  }

  package static func delete(condition: Condition = .always) -> KeyMutation {
    .delete(Delete(condition: condition))
  }
}

extension KeyMutation.Delete {
  func encode(into writer: inout ByteWriter) { condition.encode(into: &writer) }

  init(from reader: inout ByteReader) throws(WireError) {
    condition = try Condition(from: &reader)
  }

  var problem: String? { condition.problem }

  /// Also without a condition: it answers whether there was a record.
  var needsRecord: Bool { true }

  var needsConsensus: Bool { !condition.isAlways }

  func effect(on current: Record?, at index: LogIndex) -> MutationEffect {
    guard condition.holds(for: current) else {
      return MutationEffect(.none, .conditionFailed(current: current?.version ?? .zero))
    }
    let existed = current != nil
    return MutationEffect(
      existed ? .delete : .none, .deleted(existed: existed, version: index))
  }
}
