/// Says why no order explains a few operations of a register, in sentences for a person.
struct WitnessWords {
  private let operations: [HistoryOperation]
  private let steps: [LinearizabilityStep]
  private let initial: Int64

  init(_ operations: [HistoryOperation], _ steps: [LinearizabilityStep], initial: Int64) {
    self.operations = operations
    self.steps = steps
    self.initial = initial
  }

  func explain(
    _ kept: [Int], _ dropped: WitnessRegister.DroppedWrites, isIrreducible: Bool
  ) -> [String] {
    var sentences: [String] = []
    if dropped == .anyTime {
      let part = WitnessRegister(steps, initial: initial).part(keeping: kept)
      let found = RegisterZones.contradiction(part, initial: initial)
      let names = found.map { $0.positions.contains { part[$0].source < 0 } ? nil : $0 } ?? nil
      if let names { sentences = self.sentences(names.kind, part.map(\.source)) }
    }
    if sentences.isEmpty {
      sentences = kept.map { fact(steps[$0].source) }
      sentences.append("No order of these that respects their times explains what they found.")
    }
    sentences.append(
      dropped == .anyTime
        ? "This holds whenever else anything else was written."
        : "No other write of the history was under way, its value not found yet, at a time that "
          + "would explain it.")
    sentences.append(SearchedWords.necessity(kept.count, isIrreducible))
    return sentences
  }

  private func sentences(_ kind: ZoneContradiction.Kind, _ sources: [Int]) -> [String] {
    func at(_ position: Int) -> Int { sources[position] }
    switch kind {
    case .neverWritten(let position):
      return [fact(at(position)), "Nothing in the whole history put \(found(at(position))) there."]
    case .replacedTwice(let one, let other):
      return [
        fact(at(one)), fact(at(other)),
        "\(found(at(one))) was put there once at most, so it can have been replaced only once.",
      ]
    case .circle(let positions):
      return positions.map { fact(at($0)) } + [
        "Each of these needs the one before it, and the first needs the last."
      ]
    case .order(let early, let late):
      return order(at(early), at(late), sources)
    case .blocks(let ended, let other, let otherEnded, let own):
      return blocks(ended.map(at), at(other), at(otherEnded), at(own), sources)
    case .mismatch(let position, let after, let before):
      return mismatch(at(position), after.map(at), at(before), sources)
    case .squeezed, .unfollowed: return []
    }
  }

  private func order(_ early: Int, _ late: Int, _ sources: [Int]) -> [String] {
    if left(late) == left(early) {
      return [
        fact(late), "\(before(late, early)): it found a value that was yet to come.",
      ]
    }
    return links(sources, but: [early, late]) + [
      fact(late),
      "\(before(late, early)), so that must find \(left(late)) or something newer.",
      "But \(fact(early, isLower: true)) By then \(found(early)) had been replaced.",
    ]
  }

  private func blocks(
    _ ended: Int?, _ other: Int, _ otherEnded: Int, _ own: Int, _ sources: [Int]
  ) -> [String] {
    let isRead = operations[own].kind == .read
    var result = links(sources, but: [ended, other, otherEnded, own].compactMap { $0 })
    if let ended {
      result.append(
        "\(before(ended, other)), so \(left(ended)) was there before \(left(other)) was.")
    } else {
      result.append("\(text(number: initial)) is the initial value: it was there before all else.")
    }
    if otherEnded != other { result.append(fact(otherEnded)) }
    if isRead {
      result.append(
        "\(before(otherEnded, own)), so that must find \(left(otherEnded)) or something newer.")
      result.append(
        "But it found \(left(own)), which \(left(otherEnded)) had replaced. "
          + "Each was put there once at most.")
    } else {
      result.append(
        "\(before(otherEnded, own)), so \(left(otherEnded)) was there before \(left(own)) was.")
      result.append(
        "Each value was put there once at most, and stands for one stretch of time: "
          + "neither stretch can be the first.")
    }
    return result
  }

  private func mismatch(
    _ position: Int, _ after: Int?, _ before: Int, _ sources: [Int]
  ) -> [String] {
    let value = text(operations[position].expected)
    var result = links(sources, but: [position, after, before].compactMap { $0 })
    if let after {
      result.append(fact(after))
      result.append("\(self.before(after, position)), so by then \(value) was there already.")
    } else {
      result.append("\(value) is the initial value: it was there from the beginning.")
    }
    result.append(fact(before))
    result.append("\(self.before(position, before)), so until then \(value) was there still.")
    result.append("But \(fact(position, isLower: true))")
    return result
  }

  /// The compare-and-sets that tie the others to each other.
  private func links(_ sources: [Int], but named: [Int]) -> [String] {
    sources.filter { $0 >= 0 && operations[$0].kind == .cas && !named.contains($0) }
      .filter { operations[$0].outcome != .mismatch }
      .map { fact($0) }
  }

  private func before(_ one: Int, _ other: Int) -> String {
    let end = operations[one].endNanoseconds ?? 0
    return "P\(name(one).dropFirst()) ended (at \(time(end))) before \(name(other)) began "
      + "(at \(time(operations[other].startNanoseconds)))"
  }

  private func name(_ source: Int) -> String {
    let operation = operations[source]
    return switch operation.kind {
    case .read: "process \(operation.process)'s read of \(text(operation.value))"
    case .delete: "process \(operation.process)'s delete"
    case .cas:
      "process \(operation.process)'s cas of \(text(operation.expected)) "
        + "to \(text(operation.value))"
    default: "process \(operation.process)'s \(operation.kind.rawValue) of \(text(operation.value))"
    }
  }

  /// What the value was after it.
  private func left(_ source: Int) -> String {
    operations[source].kind == .delete ? text(nil) : text(operations[source].value)
  }

  /// What it needed to find.
  private func found(_ source: Int) -> String {
    operations[source].kind == .cas
      ? text(operations[source].expected) : text(operations[source].value)
  }

  /// The operation as a sentence.
  func fact(_ source: Int, isLower: Bool = false) -> String {
    let operation = operations[source]
    let who = isLower ? "process \(operation.process)" : "Process \(operation.process)"
    let value = text(operation.value)
    let expected = text(operation.expected)
    let isUnknown = operation.outcome == .unknown
    let what =
      switch operation.kind {
      case .read: "read and found \(value)"
      case .write:
        isUnknown ? "wrote \(value) (it got no answer, but it may have happened)" : "wrote \(value)"
      case .delete:
        isUnknown ? "deleted it (it got no answer, but it may have happened)" : "deleted it"
      case .cas where operation.outcome == .mismatch:
        "tried a cas of \(expected) to \(value), which answered that \(expected) was not there"
      case .cas:
        isUnknown
          ? "tried a cas of \(expected) to \(value), which got no answer, but may have happened"
          : "replaced \(expected) by \(value)"
      default: "did \(operation.words)"
      }
    return "\(who) \(what), \(span(operation))."
  }

  private func span(_ operation: HistoryOperation) -> String {
    let start = time(operation.startNanoseconds)
    guard let end = operation.endNanoseconds else { return "from \(start) on" }
    return "between \(start) and \(time(end))"
  }

  private func text(_ value: HistoryValue?) -> String { value?.json ?? "absent" }

  private func text(number: Int64) -> String {
    for step in steps {
      switch step.action {
      case .read(number): return text(operations[step.source].value)
      case .compareAndSet(number, _), .differs(number):
        return text(operations[step.source].expected)
      default: continue
      }
    }
    return text(nil)
  }

  /// In seconds, to the digit that tells times apart.
  private func time(_ nanoseconds: UInt64) -> String {
    let fraction = String(nanoseconds % 1_000_000_000)
    var digits = String(repeating: "0", count: 9 - fraction.count) + fraction
    while digits.count > 3 && digits.last == "0" { digits.removeLast() }
    return "\(nanoseconds / 1_000_000_000).\(digits) s"
  }
}
