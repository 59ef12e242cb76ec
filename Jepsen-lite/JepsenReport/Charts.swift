internal import JepsenHistory

/// Charts over the whole run, faults shaded.
struct Charts {
  let run: RunRecord
  let analysis: RunAnalysis
  let axis: TimeAxis

  init(_ run: RunRecord, _ analysis: RunAnalysis) {
    self.run = run
    self.analysis = analysis
    axis = TimeAxis(
      startNanoseconds: 0,
      endNanoseconds: UInt64(analysis.slots.count) * analysis.slotNanoseconds)
  }

  private func shade(_ drawing: inout Drawing, top: Double, bottom: Double, isNamed: Bool) {
    var ends: [Double] = []
    for fault in run.faults {
      let (from, to) = (axis.x(fault.startNanoseconds), axis.x(fault.endNanoseconds))
      drawing.rectangle(
        from, top, to - from, bottom - top, kind: fault.didBite ? "fault" : "fault idle",
        title: "\(fault.nemesis): \(fault.what)\n"
          + "\(Numbers.seconds(fault.startNanoseconds)) – "
          + "\(Numbers.seconds(fault.endNanoseconds))\n\(fault.proof)")
      guard isNamed else { continue }
      // Names go to the first line that has room.
      let row = ends.firstIndex { $0 + 6 < from } ?? ends.count
      guard row < 3 else { continue }
      let width = Double(fault.nemesis.count) * 6
      if row == ends.count { ends.append(from + width) } else { ends[row] = from + width }
      let isNearTheEnd = from + width > Drawing.width
      drawing.text(
        fault.nemesis, isNearTheEnd ? to : from + 2, top - 4 - Double(row) * 11,
        kind: "fault-name", anchor: isNearTheEnd ? "end" : "start")
    }
  }

  func throughput() -> String {
    let (top, bottom) = (42.0, 190.0)
    var drawing = Drawing(height: 212, label: "Operations a second over time")
    let perSecond = 1e9 / Double(analysis.slotNanoseconds)
    let most = analysis.slots.map { $0.ok + $0.refused + $0.unknown }.max() ?? 0
    let high = max(1, Double(most) * perSecond)
    let step = Numbers.step(upTo: high, count: 4)
    let ceiling = (high / step).rounded(.up) * step
    func y(_ value: Double) -> Double { bottom - value / ceiling * (bottom - top) }
    shade(&drawing, top: top, bottom: bottom, isNamed: true)
    axis.draw(in: &drawing, top: top, bottom: bottom)
    var mark = 0.0
    while mark <= ceiling + step / 2 {
      drawing.line(Drawing.left, y(mark), Drawing.width - Drawing.right, y(mark), kind: "grid")
      drawing.text(
        Numbers.decimal(mark, step < 1 ? 1 : 0), Drawing.left - 6, y(mark) + 4, anchor: "end")
      mark += step
    }
    for (position, slot) in analysis.slots.enumerated() {
      let start = UInt64(position) * analysis.slotNanoseconds
      let from = axis.x(start)
      let width = axis.x(start + analysis.slotNanoseconds) - from
      var base = 0.0
      for (count, kind) in [
        (slot.ok, "ok"), (slot.unknown, "unknown"), (slot.refused, "refused"),
      ] where count > 0 {
        let value = Double(count) * perSecond
        drawing.rectangle(
          from, y(base + value), width, y(base) - y(base + value), kind: "bar \(kind)",
          title: "\(Numbers.seconds(start)): \(slot.ok) answered, \(slot.unknown) unknown, "
            + "\(slot.refused) refused in \(Numbers.duration(analysis.slotNanoseconds))")
        base += value
      }
    }
    return drawing.svg
  }

  /// On a logarithmic scale from 0.1 ms.
  func latency() -> String {
    let (top, bottom) = (10.0, 158.0)
    var drawing = Drawing(height: 180, label: "Latency over time")
    let longest = max(1e6, Double(analysis.slots.map(\.longest).max() ?? 0))
    let low = 1e5
    var decades = 1.0
    var ceiling = low * 10
    while ceiling < longest {
      ceiling *= 10
      decades += 1
    }
    func y(_ nanoseconds: UInt64) -> Double {
      let value = max(low, Double(nanoseconds))
      return bottom - Self.logarithm(value / low) / decades * (bottom - top)
    }
    shade(&drawing, top: top, bottom: bottom, isNamed: false)
    axis.draw(in: &drawing, top: top, bottom: bottom)
    var mark = low
    while mark <= ceiling * 1.01 {
      let at = y(UInt64(mark))
      drawing.line(Drawing.left, at, Drawing.width - Drawing.right, at, kind: "grid")
      let digits = mark < 1e6 ? 1 : 0
      drawing.text(
        mark >= 1e9
          ? Numbers.decimal(mark / 1e9, 0) + " s" : Numbers.decimal(mark / 1e6, digits) + " ms",
        Drawing.left - 6, at + 4, anchor: "end")
      mark *= 10
    }
    func curve(_ kind: String, _ value: (RunAnalysis.Slot) -> UInt64) {
      var points: [(x: Double, y: Double)] = []
      for (position, slot) in analysis.slots.enumerated() {
        guard slot.ok > 0 else {
          drawing.path(points, kind: kind)
          points = []
          continue
        }
        let middle =
          UInt64(position) * analysis.slotNanoseconds + analysis.slotNanoseconds / 2
        points.append((axis.x(middle), y(value(slot))))
      }
      drawing.path(points, kind: kind)
    }
    curve("line longest", \.longest)
    curve("line high", \.high)
    curve("line median", \.median)
    return drawing.svg
  }

  /// One lane a node: leading, following, paused, down.
  func nodes() -> String {
    let lane = 22.0
    let bottom = 8 + Double(run.nodes) * lane
    var drawing = Drawing(height: bottom + 22, label: "What each node was doing")
    shade(&drawing, top: 6, bottom: bottom, isNamed: false)
    axis.draw(in: &drawing, top: 6, bottom: bottom)
    for node in 1...max(1, run.nodes) {
      drawing.text(
        "n\(node)", Drawing.left - 8, 8 + Double(node - 1) * lane + 13, kind: "name",
        anchor: "end")
    }
    for state in run.nodeStates {
      let from = axis.x(state.startNanoseconds)
      let width = axis.x(state.endNanoseconds) - from
      guard width > 0 else { continue }
      drawing.rectangle(
        from, 8 + Double(state.node - 1) * lane, width, lane - 6,
        kind: "state \(state.condition.rawValue)",
        title: "n\(state.node) \(state.condition.rawValue): "
          + "\(Numbers.seconds(state.startNanoseconds, 2)) – "
          + "\(Numbers.seconds(state.endNanoseconds, 2))")
    }
    return drawing.svg
  }

  /// Decimal, by halving: the module has no library of functions.
  private static func logarithm(_ value: Double) -> Double {
    guard value > 1 else { return 0 }
    var remaining = value
    var whole = 0.0
    while remaining >= 10 {
      remaining /= 10
      whole += 1
    }
    var fraction = 0.0
    var bit = 0.5
    for _ in 0..<20 {
      remaining *= remaining
      if remaining >= 10 {
        remaining /= 10
        fraction += bit
      }
      bit /= 2
    }
    return whole + fraction
  }
}
