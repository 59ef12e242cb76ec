import KVBase
import KVCommand
import Testing

@Suite struct KeyMutationTests {
  /// Only what no other mutation can disturb needs no order, and only an unconditional put is
  /// applied without a read.
  @Test func whatEachNeeds() {
    let conditions: [Condition] = [.ifAbsent, .ifPresent, .ifVersion(.zero), .ifValue("v")]
    let put = KeyMutation.put(value: "v")
    let delete = KeyMutation.delete()
    #expect(!put.needsRecord && !put.needsConsensus)
    #expect(delete.needsRecord && !delete.needsConsensus)
    var others = [KeyMutation.add(delta: 1), .append(suffix: "v")]
    for condition in conditions {
      others.append(.put(value: "v", condition: condition))
      others.append(.delete(condition: condition))
    }
    for mutation in others { #expect(mutation.needsRecord && mutation.needsConsensus) }
  }

  /// Where `needsRecord` is false the effect is the same whatever is there.
  @Test func whatNeedsNoRecordAsksForNone() {
    let put = KeyMutation.put(value: "v")
    let there = Record(version: LogIndex(3), value: "old")
    #expect(put.effect(on: there, at: LogIndex(4)) == put.effect(on: nil, at: LogIndex(4)))
  }

  @Test func limitsAreSaidInSentences() {
    let long = Bytes([UInt8](repeating: 0, count: Limits.valueBytes + 1))
    let sentence = "a value of 1048577 bytes: the limit is 1048576"
    #expect(KeyMutation.put(value: long).problem == sentence)
    #expect(KeyMutation.put(value: "v", condition: .ifValue(long)).problem == sentence)
    #expect(KeyMutation.delete(condition: .ifValue(long)).problem == sentence)
    #expect(KeyMutation.append(suffix: long).problem == sentence)
    #expect(
      KeyMutation.add(delta: 1, minimum: 2, maximum: 1).problem
        == "the minimum 2 is above the maximum 1")
    let good: [KeyMutation] = [
      .put(value: long[1..<long.count]), .delete(), .add(delta: 1), .append(suffix: ""),
    ]
    for mutation in good { #expect(mutation.problem == nil) }
  }

  @Test func namesAreThoseOfTheCalls() {
    #expect(KeyMutation.Kind.allCases.map { "\($0)" } == ["put", "delete", "add", "append"])
    #expect(KeyMutation.put(value: "v").name == "put")
  }

  /// Up to the last byte that a value may have, and not one more.
  @Test func anAppendEndsAtTheLimitOfAValue() {
    let limit = Limits.valueBytes
    let present = Record(
      version: LogIndex(3), value: Bytes([UInt8](repeating: 1, count: limit - 2)))
    func append(_ suffix: Bytes, to record: Record?) -> MutationEffect {
      KeyMutation.append(suffix: suffix).effect(on: record, at: LogIndex(4))
    }
    let last = append("ab", to: present)
    #expect(last.result == .appended(length: UInt32(limit), version: LogIndex(4)))
    #expect(last.change == .put(value: Bytes(present.value.array + Array("ab".utf8))))
    let beyond = append("abc", to: present)
    #expect(beyond.result == .valueTooLong(current: UInt32(limit - 2)))
    #expect(beyond.change == .none)
    let first = append("ab", to: nil)
    #expect(first.result == .appended(length: 2, version: LogIndex(4)))
    #expect(first.change == .put(value: "ab"))
    let nothing = append("", to: nil)
    #expect(nothing.result == .appended(length: 0, version: LogIndex(4)))
    #expect(nothing.change == .put(value: ""))
  }

  /// What took effect says at which index; nothing else says so.
  @Test func conclusions() {
    let at = LogIndex(9)
    let effective = Samples.results.map(\.result).filter {
      if case .effective = $0.conclusion { true } else { false }
    }
    #expect(
      effective == [
        .written(version: at), .deleted(existed: true, version: at), .added(value: -1, version: at),
        .appended(length: 258, version: at),
      ])
    for result in effective { #expect(result.conclusion == .effective(version: at)) }
    #expect(
      CommandResult.conditionFailed(current: at).conclusion == .conditionFailed(current: at))
    #expect(
      CommandResult.outOfBounds(current: 5).conclusion
        == .outOfRange("the sum would leave its bounds: the value is 5"))
    #expect(
      CommandResult.valueTooLong(current: 9).conclusion
        == .outOfRange("the value would become too long: it has 9 of at most 1048576 bytes"))
    for result in [
      CommandResult.sessionExpired(renewAt: 3), .createdAhead(renewAt: 3), .sequenceTooLow,
      .tooManyUnacknowledged,
    ] {
      #expect(result.conclusion == .sessionRefused)
    }
    #expect(CommandResult.keyspaceDropped.conclusion == .keyspaceDropped)
    #expect(CommandResult.done.conclusion == .other)
  }
}
