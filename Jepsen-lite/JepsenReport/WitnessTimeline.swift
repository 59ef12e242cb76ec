internal import JepsenHistory

/// The operations of a witness, one lane a process, and pale behind them what else happened on the
/// key at that time.
struct WitnessTimeline {
  private static let mostOthers = 120
  private static let mostLanes = 40

  private let witness: Witness
  private let others: [HistoryOperation]
  private let axis: TimeAxis
  private let lanes: [Int]
  private let end: UInt64

  init(_ witness: Witness, _ history: [HistoryOperation]) {
    self.witness = witness
    let isKnownEnd = witness.operations.compactMap { $0.end }
    let first = witness.operations.map(\.startNanoseconds).min() ?? 0
    let last = max(
      isKnownEnd.max() ?? first, witness.operations.map(\.startNanoseconds).max() ?? first)
    let margin = max(1_000, (last - first) / 12)
    let start = first > margin ? first - margin : 0
    end = last + margin
    axis = TimeAxis(startNanoseconds: start, endNanoseconds: end, left: 74)
    let shown = Set(witness.operations)
    var lanes = Set(witness.operations.map(\.process))
    var others: [HistoryOperation] = []
    let isInside = history.lazy.filter {
      $0.key == witness.key && $0.startNanoseconds < last + margin
        // What has no end is shown where it began, else it would hide the rest.
        && ($0.end ?? $0.startNanoseconds) >= start && !shown.contains($0)
    }
    for operation in isInside {
      guard others.count < Self.mostOthers else { break }
      if !lanes.contains(operation.process) {
        guard lanes.count < Self.mostLanes else { continue }
        lanes.insert(operation.process)
      }
      others.append(operation)
    }
    self.others = others
    self.lanes = lanes.sorted()
  }

  var svg: String {
    let lane = 26.0
    let bottom = 8 + Double(lanes.count) * lane
    var drawing = Drawing(height: bottom + 24, label: "Operations around the violation")
    axis.draw(in: &drawing, top: 4, bottom: bottom)
    for (row, process) in lanes.enumerated() {
      drawing.text(
        "process \(process)", axis.left - 8, 8 + Double(row) * lane + 15, kind: "note",
        anchor: "end")
    }
    for operation in others { draw(operation, isWitness: false, in: &drawing, lane) }
    for operation in witness.operations { draw(operation, isWitness: true, in: &drawing, lane) }
    return drawing.svg
  }

  private func draw(
    _ operation: HistoryOperation, isWitness: Bool, in drawing: inout Drawing, _ lane: Double
  ) {
    guard let row = lanes.firstIndex(of: operation.process) else { return }
    let from = axis.x(operation.startNanoseconds)
    let to = axis.x(operation.end ?? end)
    let y = 8 + Double(row) * lane
    let kind = isWitness ? "operation \(operation.tone)" : "operation other"
    drawing.rectangle(
      from, y, max(3, to - from), lane - 7, kind: kind,
      title: "process \(operation.process): \(operation.words)\n"
        + "\(Numbers.seconds(operation.startNanoseconds, 6)) – "
        + (operation.end.map { Numbers.seconds($0, 6) } ?? "no answer"))
    guard isWitness else { return }
    let text = operation.words
    let width = Double(text.count) * 6.2
    if from + width + 6 < Drawing.width {
      drawing.text(text, from + 4, y + 13, kind: "operation-name")
    } else {
      drawing.text(text, max(from, to) - 4, y + 13, kind: "operation-name", anchor: "end")
    }
  }
}

extension HistoryOperation {
  /// `nil`: it may still take effect.
  fileprivate var end: UInt64? { outcome == .unknown ? nil : endNanoseconds }

  fileprivate var tone: String {
    switch outcome {
    case .unknown: "unknown"
    case .refused: "refused"
    case .ok, .mismatch: kind == .read || kind == .scan ? "reading" : "writing"
    }
  }
}
