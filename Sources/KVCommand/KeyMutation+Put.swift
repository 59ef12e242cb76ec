package import KVBase

extension KeyMutation {
  /// Sets the value where the condition holds. Fields: condition, `sized` value.
  package struct Put: KeyMutationKind {
    package var value: Bytes
    package var condition: Condition

    package init(value: Bytes, condition: Condition) {
      self.value = value
      self.condition = condition
    }
  }

  package static func put(value: Bytes, condition: Condition = .always) -> KeyMutation {
    .put(Put(value: value, condition: condition))
  }
}

extension KeyMutation.Put {
  func encode(into writer: inout ByteWriter) {
    condition.encode(into: &writer)
    writer.append(sized: value)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    condition = try Condition(from: &reader)
    value = try reader.readSized(limit: Limits.valueBytes, what: "value")
  }

  var problem: String? { Record.problem(withValue: value) ?? condition.problem }

  var needsRecord: Bool { !condition.isAlways }

  var needsConsensus: Bool { !condition.isAlways }

  func effect(on current: Record?, at index: LogIndex) -> MutationEffect {
    guard condition.holds(for: current) else {
      return MutationEffect(.none, .conditionFailed(current: current?.version ?? .zero))
    }
    return MutationEffect(.put(value: value), .written(version: index))
  }
}
