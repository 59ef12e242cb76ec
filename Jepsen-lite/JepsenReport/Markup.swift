/// Text of a page.
enum Markup {
  static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      // What XML can't hold at all.
      case _ where scalar.value < 32 && scalar != "\n" && scalar != "\t": out += "\u{FFFD}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}

/// A drawing of fixed width; heights are in the same unit.
struct Drawing {
  static let width = 1060.0
  /// Room for the numbers at the left.
  static let left = 64.0
  static let right = 12.0

  private var body = ""
  let height: Double
  let label: String

  init(height: Double, label: String) {
    self.height = height
    self.label = label
  }

  static func number(_ value: Double) -> String {
    let scaled = Int((value * 10).rounded())
    return scaled.isMultiple(of: 10)
      ? "\(scaled / 10)" : "\(scaled < 0 ? "-" : "")\(abs(scaled) / 10).\(abs(scaled) % 10)"
  }

  mutating func add(_ text: String) { body += text + "\n" }

  mutating func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, kind: String, title: String = ""
  ) {
    let n = Self.number
    add(
      "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(max(width, 0.6)))\" height=\"\(n(height))\" "
        + "class=\"\(kind)\">"
        + (title.isEmpty ? "" : "<title>\(Markup.escaped(title))</title>") + "</rect>")
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, kind: String) {
    let n = Self.number
    add(
      "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\" class=\"\(kind)\"/>")
  }

  mutating func path(_ points: [(x: Double, y: Double)], kind: String) {
    guard points.count > 1 else { return }
    let text = points.map { "\(Self.number($0.x)) \(Self.number($0.y))" }
    add("<path d=\"M\(text.joined(separator: "L"))\" class=\"\(kind)\"/>")
  }

  mutating func text(
    _ text: String, _ x: Double, _ y: Double, kind: String = "note", anchor: String = "start"
  ) {
    add(
      "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" class=\"\(kind)\" "
        + "text-anchor=\"\(anchor)\">\(Markup.escaped(text))</text>")
  }

  var svg: String {
    "<svg viewBox=\"0 0 \(Self.number(Self.width)) \(Self.number(height))\" role=\"img\" "
      + "aria-label=\"\(Markup.escaped(label))\">\n\(body)</svg>\n"
  }
}

/// Time from left to right.
struct TimeAxis {
  let startNanoseconds: UInt64
  let endNanoseconds: UInt64
  /// Where lines begin: wider than the charts' where names stand at the left.
  var left = Drawing.left

  func x(_ time: UInt64) -> Double {
    let span = Double(max(1, endNanoseconds - startNanoseconds))
    let clamped = min(max(time, startNanoseconds), endNanoseconds)
    let share = Double(clamped - startNanoseconds) / span
    return left + share * (Drawing.width - left - Drawing.right)
  }

  /// Marks and their times below a chart.
  func draw(in drawing: inout Drawing, top: Double, bottom: Double) {
    let span = Double(endNanoseconds - startNanoseconds) / 1e9
    let step = Numbers.step(upTo: span, count: 10)
    let digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : step >= 0.001 ? 3 : 4
    var mark = (Double(startNanoseconds) / 1e9 / step).rounded(.up) * step
    while mark <= Double(endNanoseconds) / 1e9 {
      let at = x(UInt64(max(0, mark) * 1e9))
      drawing.line(at, top, at, bottom, kind: "grid")
      let isLast = at > Drawing.width - 24
      drawing.text(
        Numbers.decimal(mark, digits) + " s", isLast ? Drawing.width : at, bottom + 14,
        anchor: isLast ? "end" : "middle")
      mark += step
    }
  }
}
