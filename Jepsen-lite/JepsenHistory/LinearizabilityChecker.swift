/// Judges recorded histories.
///
/// Registers and counters are split by key and each key is decided for itself, which is enough:
/// linearizability is local (Herlihy and Wing, 1990). A register whose values are unique is decided
/// by its zones; else just-in-time linearization races a depth-first search, with slices over the
/// keys so that a hard one does not starve the others. The other models have decisions of their
/// own, in `Models`.
package struct LinearizabilityChecker: Sendable {
  package enum Model: String, Sendable, CaseIterable {
    /// read, write, cas, delete; absent (or `initial`) at first.
    case register
    /// read, add; 0 at first, and an absent counter reads as 0.
    case counter
    /// append, read of the whole list.
    case list
    /// add, read of the whole set.
    case set
    /// transfer, read of all balances.
    case bank
    /// write, delete, cas of keys; scan of those under a prefix.
    case scan
    /// generate.
    case ids
    /// acquire, release, and guarded writes.
    case locks
  }

  package enum FailedCas: String, Sendable, CaseIterable {
    /// A cas that answered "no" saw something else than it expected.
    case observed
    /// It may have failed for any reason, and says nothing.
    case ignored
  }

  /// What is found for one key.
  package enum KeyVerdict: Hashable, Sendable {
    case linearizable
    /// Operations that no order explains: as few as the search could tell.
    case violated(String)
    /// The searches were given up after so many steps.
    case unknown(steps: Int)
  }

  package struct Bounds: Hashable, Sendable {
    /// For each key, both searches together.
    package var maximumSteps: Int
    /// `nil`: no clock is read, and the same history is always decided in the same way.
    package var seconds: Double?
    /// For all keys together; beyond it a search is dropped.
    package var bytes: Int

    package init(
      maximumSteps: Int = Int.max, seconds: Double? = 60, bytes: Int = 2 << 30
    ) {
      self.maximumSteps = maximumSteps
      self.seconds = seconds
      self.bytes = bytes
    }
  }

  package var bounds: Bounds
  /// What a register, a counter or a bank holds at first; `nil`: absent.
  package var initial: HistoryValue?
  package var failedCas: FailedCas
  /// Whether a bank's balance may be below 0.
  package var allowsNegativeBalances = true
  /// A lock may be lost to others so long after it was asked for; `nil`: only by a release.
  package var lockLeaseNanoseconds: UInt64?

  /// Bounded by steps only.
  package init(maximumSteps: Int = 5_000_000) {
    self.init(bounds: Bounds(maximumSteps: maximumSteps, seconds: nil))
  }

  package init(
    bounds: Bounds, initial: HistoryValue? = nil, failedCas: FailedCas = .observed
  ) {
    self.bounds = bounds
    self.initial = initial
    self.failedCas = failedCas
  }

  /// One verdict over all keys.
  package func check(_ history: [HistoryOperation], model: Model) -> Verdict {
    switch model {
    case .register, .counter: checkKeys(history, model)
    case .list: ListModel.check(history, bounds)
    case .set: SetModel.check(history, bounds)
    case .bank: BankModel.check(history, self)
    case .scan: ScanModel.check(history)
    case .ids: UniqueIDModel.check(history)
    case .locks: LockModel.check(history, leaseNanoseconds: lockLeaseNanoseconds)
    }
  }

  /// Checks each key by the model that it has, registers or counters. Answers the keys in order
  /// with what was found, but for the linearizable ones.
  package func check(
    _ history: [HistoryOperation], model: (_ key: String) -> Model
  ) -> [(key: String, verdict: KeyVerdict)] {
    let groups = KeyGroups(history)
    var found: [(key: String, verdict: KeyVerdict)] = []
    for (number, key) in groups.keys.enumerated() {
      let verdict = keyVerdict(history, groups.operations(of: number), model(key))
      if verdict != .linearizable { found.append((key, verdict)) }
    }
    return found
  }

  /// Checks operations that are all on one key.
  package func checkKey(_ operations: [HistoryOperation], model: Model) -> KeyVerdict {
    keyVerdict(operations, operations.indices.map { Int32($0) }[...], model)
  }

  private func keyVerdict(
    _ history: [HistoryOperation], _ positions: ArraySlice<Int32>, _ model: Model
  ) -> KeyVerdict {
    guard model == .register || model == .counter else {
      let verdict = check(positions.map { history[Int($0)] }, model: model)
      return switch verdict.status {
      case .passed: .linearizable
      case .violated: .violated(verdict.text)
      case .unknown, .invalid: .unknown(steps: bounds.maximumSteps)
      }
    }
    var key = KeyDecision(history, positions, self, isCounter: model == .counter)
    let deadline = Deadline(bounds.seconds)
    var slice = KeyDecision.firstSlice
    while key.state == .open && !deadline.isOver {
      key.run(steps: slice, bounds)
      slice = min(slice * 2, KeyDecision.largestSlice)
    }
    return switch key.state {
    case .linearizable: .linearizable
    case .violated: .violated(key.problem?.text ?? key.shortText(history))
    case .open, .givenUp: .unknown(steps: key.work)
    }
  }
}

/// A moment after which no more is searched. Without one no clock is read.
struct Deadline: Sendable {
  private let clock: RunClock?
  private let nanoseconds: UInt64

  init(_ seconds: Double?) {
    clock = seconds.map { _ in RunClock() }
    nanoseconds = UInt64((seconds ?? 0) * 1e9)
  }

  var isOver: Bool { clock.map { $0.now > nanoseconds } ?? false }
}
