internal import KVBase

extension KeyMutation {
  /// Adds to a counter, kept as decimal text (`DecimalText`); an absent one counts as 0. The sum
  /// must lie within the bounds, else nothing changes. Fields: `i64` delta, minimum, maximum.
  package struct Add: KeyMutationKind {
    package var delta: Int64
    package var minimum: Int64
    package var maximum: Int64

    package init(delta: Int64, minimum: Int64, maximum: Int64) {
      self.delta = delta
      self.minimum = minimum
      self.maximum = maximum
    }
  }

  package static func add(
    delta: Int64, minimum: Int64 = .min, maximum: Int64 = .max
  ) -> KeyMutation {
    .add(Add(delta: delta, minimum: minimum, maximum: maximum))
  }
}

extension KeyMutation.Add {
  func encode(into writer: inout ByteWriter) {
    writer.append(delta)
    writer.append(minimum)
    writer.append(maximum)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    delta = try reader.read(Int64.self)
    minimum = try reader.read(Int64.self)
    maximum = try reader.read(Int64.self)
    guard minimum <= maximum else { throw .invalid("bounds: the minimum is above the maximum") }
  }

  var problem: String? {
    guard minimum > maximum else { return nil }
    return "the minimum \(minimum) is above the maximum \(maximum)"
  }

  var needsRecord: Bool { true }

  var needsConsensus: Bool { true }

  func effect(on current: Record?, at index: LogIndex) -> MutationEffect {
    guard let value = current.map({ DecimalText.parse($0.value) }) ?? 0 else {
      return MutationEffect(.none, .notAnInteger)
    }
    let (sum, overflow) = value.addingReportingOverflow(delta)
    guard !overflow, sum >= minimum, sum <= maximum else {
      return MutationEffect(.none, .outOfBounds(current: value))
    }
    return MutationEffect(
      .put(value: DecimalText.bytes(sum)), .added(value: sum, version: index))
  }
}
