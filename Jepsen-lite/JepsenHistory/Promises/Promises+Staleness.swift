extension Promises {
  /// How old what was read was, at least.
  package struct Staleness: Hashable, Sendable {
    /// By read: acknowledged newer writes that had ended before the read began; sorted.
    package var versions: [Int]
    /// By read: how long before its start the value had been replaced, in nanoseconds; sorted.
    package var times: [UInt64]
    /// Reads of values that nobody had begun to write.
    package var unwritten: Int

    /// The value below which so much of a hundred lies.
    package static func percentile<T>(_ sorted: [T], _ percent: Double) -> T? {
      guard !sorted.isEmpty else { return nil }
      let rank = (Double(sorted.count) * percent / 100).rounded(.up)
      return sorted[min(sorted.count - 1, max(0, Int(rank) - 1))]
    }
  }

  private struct ReadAge {
    var read: Int
    var old: PromiseKey.Write
    var versions = 0
    /// The first acknowledged end of a newer write, where that was before the read.
    var replacedBy: PromiseKey.Write?
  }

  /// Measures every read of a register.
  package func staleness() -> Staleness {
    var result = Staleness(versions: [], times: [], unwritten: 0)
    for key in keys where key.isRegister {
      let (ages, unwritten) = ages(key)
      result.unwritten += unwritten.count
      for age in ages {
        result.versions.append(age.versions)
        result.times.append(time(age))
      }
    }
    result.versions.sort()
    result.times.sort()
    return result
  }

  /// No read is more than `bound` acknowledged versions behind (0: never stale by real time).
  package func versionStaleness(bound: Int) -> Verdict {
    stalenessVerdict("k-staleness") { age in
      age.versions > bound
    } text: { staleness in
      let stale = staleness.versions.count { $0 > 0 }
      return "of \(staleness.versions.count) reads \(stale) were stale; versions behind: "
        + "p50 \(Staleness.percentile(staleness.versions, 50) ?? 0), "
        + "p99 \(Staleness.percentile(staleness.versions, 99) ?? 0), "
        + "max \(staleness.versions.last ?? 0), allowed \(bound)"
    }
  }

  /// No read shows what had been replaced for longer than `bound` when it began.
  package func timeStaleness(boundNanoseconds bound: UInt64) -> Verdict {
    stalenessVerdict("time staleness") { age in
      time(age) > bound
    } text: { staleness in
      let stale = staleness.times.count { $0 > 0 }
      return "of \(staleness.times.count) reads \(stale) were stale; replaced before the read by: "
        + "p50 \(TimeText.text(Staleness.percentile(staleness.times, 50) ?? 0)), "
        + "p99 \(TimeText.text(Staleness.percentile(staleness.times, 99) ?? 0)), "
        + "max \(TimeText.text(staleness.times.last ?? 0)), allowed \(TimeText.text(bound))"
    }
  }

  private func time(_ age: ReadAge) -> UInt64 {
    age.replacedBy.map { history[age.read].startNanoseconds - $0.end } ?? 0
  }

  private func stalenessVerdict(
    _ name: String, isBeyond: (ReadAge) -> Bool, text: (Staleness) -> String
  ) -> Verdict {
    var findings = Findings()
    var staleness = Staleness(versions: [], times: [], unwritten: 0)
    for key in keys where key.isRegister {
      let (ages, unwritten) = ages(key)
      findings.examined += ages.count + unwritten.count
      staleness.unwritten += unwritten.count
      for read in unwritten { findings.violated(unwrittenWitness(key.key, read: read)) }
      for age in ages {
        staleness.versions.append(age.versions)
        staleness.times.append(time(age))
        if isBeyond(age), let new = age.replacedBy {
          findings.violated(staleWitness(key.key, read: age.read, old: age.old, new: new))
        }
      }
    }
    staleness.versions.sort()
    staleness.times.sort()
    var sentence = text(staleness)
    if staleness.unwritten > 0 {
      sentence += "; \(staleness.unwritten) reads showed what nobody had written"
    }
    guard findings.examined > 0 else {
      return Verdict(name, .invalid, method: "counting", text: "there were no reads to examine")
    }
    return Verdict(
      name, findings.violations > 0 ? .violated : .passed, method: "counting", text: sentence,
      witness: findings.witness)
  }

  /// Ages of the reads of one key, and the reads of values that nobody wrote.
  private func ages(_ key: PromiseKey) -> (ages: [ReadAge], unwritten: [Int]) {
    var ages: [ReadAge] = []
    var unwritten: [Int] = []
    for read in key.reads {
      let end = history[read].endNanoseconds ?? UInt64.max
      if let old = key.lastWrite(of: history[read].value, by: end) {
        ages.append(ReadAge(read: read, old: old))
      } else {
        unwritten.append(read)
      }
    }
    let byStart = key.acknowledged
    guard !byStart.isEmpty else { return (ages, unwritten) }
    // From each write on, the one that ends first.
    var firstEnd = byStart
    for position in firstEnd.indices.dropLast().reversed()
    where firstEnd[position + 1].end < firstEnd[position].end {
      firstEnd[position] = firstEnd[position + 1]
    }
    let starts = byStart.map(\.start)
    let byEnd = byStart.indices.sorted { byStart[$0].end < byStart[$1].end }
    var ended = CountTree(byStart.count)
    var next = 0
    // Reads are by start: writes join the tree as they end before the read begins.
    for position in ages.indices {
      let start = history[ages[position].read].startNanoseconds
      while next < byEnd.count, byStart[byEnd[next]].end < start {
        ended.add(at: byEnd[next])
        next += 1
      }
      let newer = starts.countSorted { $0 <= ages[position].old.end }
      guard newer < starts.count else { continue }
      ages[position].versions = ended.total - ended.count(before: newer)
      if firstEnd[newer].end < start { ages[position].replacedBy = firstEnd[newer] }
    }
    return (ages, unwritten)
  }
}

/// Counts marks at positions, and how many are before a position, in logarithmic time (Fenwick,
/// 1994).
struct CountTree {
  private var sums: [Int]
  private(set) var total = 0

  init(_ count: Int) { sums = Array(repeating: 0, count: count + 1) }

  mutating func add(at position: Int) {
    total += 1
    var node = position + 1
    while node < sums.count {
      sums[node] += 1
      node += node & -node
    }
  }

  func count(before position: Int) -> Int {
    var node = position
    var count = 0
    while node > 0 {
      count += sums[node]
      node -= node & -node
    }
    return count
  }
}
