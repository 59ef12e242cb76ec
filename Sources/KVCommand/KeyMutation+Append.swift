package import KVBase

extension KeyMutation {
  /// Puts bytes after the end of the value; an absent one counts as empty. The new value must be
  /// within `Limits.valueBytes`, else nothing changes; so that limit is the same on all replicas.
  /// Fields: `sized` suffix.
  package struct Append: KeyMutationKind {
    package var suffix: Bytes

    package init(suffix: Bytes) { self.suffix = suffix }
  }

  package static func append(suffix: Bytes) -> KeyMutation { .append(Append(suffix: suffix)) }
}

extension KeyMutation.Append {
  func encode(into writer: inout ByteWriter) { writer.append(sized: suffix) }

  init(from reader: inout ByteReader) throws(WireError) {
    suffix = try reader.readSized(limit: Limits.valueBytes, what: "suffix")
  }

  var problem: String? { Record.problem(withValue: suffix) }

  var needsRecord: Bool { true }

  var needsConsensus: Bool { true }

  func effect(on current: Record?, at index: LogIndex) -> MutationEffect {
    let present = current?.value ?? Bytes()
    let length = present.count + suffix.count
    guard length <= Limits.valueBytes else {
      return MutationEffect(.none, .valueTooLong(current: UInt32(present.count)))
    }
    var value = ByteWriter(capacity: length)
    value.append(raw: present)
    value.append(raw: suffix)
    return MutationEffect(
      .put(value: value.take()), .appended(length: UInt32(length), version: index))
  }
}
