extension Witness {
  /// The fewest operations of one register that show a violation by themselves, with words.
  ///
  /// `steps` is the whole history of the key, found violated; `suspects` are positions in it where
  /// the check got stuck. `nil` where no violation was found again within the bounds.
  static func ofRegister(
    _ operations: [HistoryOperation], steps: [LinearizabilityStep], suspects: [Int],
    initial: Int64 = 0
  ) -> Witness? {
    guard let found = Reduced(steps, suspects: suspects, initial: initial) else { return nil }
    let kept = found.positions.sorted { steps[$0].start < steps[$1].start }
    let words = WitnessWords(operations, steps, initial: initial)
    return Witness(
      key: operations.first?.key ?? "", operations: kept.map { operations[steps[$0].source] },
      explanation: words.explain(kept, found.dropped, isIrreducible: found.isIrreducible))
  }

  /// The positions that a witness is made of.
  struct Reduced: Sendable {
    var positions: [Int] = []
    var dropped = WitnessRegister.DroppedWrites.anyTime
    var isIrreducible = false

    /// More than a person reads.
    private static let manyOperations = 20
    private static let nearby = 256

    init?(_ steps: [LinearizabilityStep], suspects: [Int], initial: Int64) {
      let register = WitnessRegister(steps, initial: initial)
      if !suspects.isEmpty && suspects.count <= steps.count {
        for way in [WitnessRegister.DroppedWrites.anyTime, .ownTime] {
          if improve(suspects, whole: true, way, register), positions.count <= Self.manyOperations {
            return
          }
        }
      }
      let near = Self.byNearness(steps, suspects)
      if improve(Array(near.prefix(Self.nearby)), whole: false, .anyTime, register),
        positions.count <= Self.manyOperations
      {
        return
      }
      if improve(Array(near.prefix(Self.nearby / 4)), whole: false, .ownTime, register),
        positions.count <= Self.manyOperations
      {
        return
      }
      let isFound = improve(near, whole: false, .anyTime, register)
      if positions.isEmpty && !isFound { return nil }
    }

    /// Keeps what is found where it is better than what there is.
    private mutating func improve(
      _ candidates: [Int], whole: Bool, _ way: WitnessRegister.DroppedWrites,
      _ register: WitnessRegister
    ) -> Bool {
      var reducer = WitnessReducer()
      let found = reducer.reduce(candidates, firstSize: whole ? candidates.count : 16) {
        register.isViolated(keeping: $0, way)
      }
      guard let found else { return false }
      if positions.isEmpty || found.positions.count < positions.count {
        positions = found.positions
        isIrreducible = found.isIrreducible
        dropped = way
      }
      return true
    }

    /// All positions, the suspects first, then by how far in time they are from them.
    private static func byNearness(_ steps: [LinearizabilityStep], _ suspects: [Int]) -> [Int] {
      let points = suspects.prefix(16).map { steps[$0] }
      let isSuspect = Set(suspects)
      let distances = steps.map { step in
        points.reduce(UInt64.max) { least, point in
          let end = step.end ?? step.start
          let pointEnd = point.end ?? point.start
          let distance =
            end < point.start
            ? point.start - end : pointEnd < step.start ? step.start - pointEnd : 0
          return min(least, distance)
        }
      }
      return suspects
        + steps.indices.filter { !isSuspect.contains($0) }.sorted {
          distances[$0] != distances[$1] ? distances[$0] < distances[$1] : $0 < $1
        }
    }
  }
}
