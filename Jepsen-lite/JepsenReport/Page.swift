internal import JepsenHistory

/// The page: one file, nothing loaded from elsewhere, no script.
struct Page {
  private let run: RunRecord
  private let analysis: RunAnalysis

  init(_ run: RunRecord) {
    self.run = run
    analysis = RunAnalysis(run)
  }

  var html: String {
    let charts = Charts(run, analysis)
    let title = "\(run.workload) under \(run.nemeses.joined(separator: ", "))"
    var page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      + "<title>\(Markup.escaped("\(run.status.rawValue): \(title) – \(run.system)"))</title>\n"
      + "<style>\n\(Style.css)\n</style></head><body>\n"
    page +=
      "<h1>\(Markup.escaped(title)) \(Self.badge(run.status))</h1>\n"
      + "<p class=\"soft\">\(Markup.escaped(subtitle))</p>\n"
    page += cards
    page += "<h2>Verdicts</h2>\n" + verdicts
    for verdict in run.verdicts { page += witness(of: verdict) }
    page += "<h2>Operations a second</h2>\n"
    page += Self.key([("--ok", "answered"), ("--unknown", "unknown"), ("--refused", "refused")])
    page += charts.throughput()
    page += "<h2>Latency</h2>\n"
    page += Self.key([("--ok", "median"), ("--unknown", "99 %"), ("--refused", "longest")])
    page += charts.latency()
    page += "<h2>Nodes</h2>\n"
    page += Self.key([
      ("--leader", "leads"), ("--follower", "runs"), ("--paused", "paused"), ("--down", "down"),
    ])
    page += charts.nodes()
    page += "<h2>What was injected, and the proof</h2>\n" + faults
    page += "<h2>Again</h2>\n<pre>\(Markup.escaped(run.command))</pre>\n"
    page +=
      "<p class=\"soft\">The same seed gives the same faults at the same times. "
      + "Processes and networks are not repeatable to the microsecond: "
      + "<code>jepsen-lite sim --replay SEED</code> is.</p>\n"
    return page + "</body></html>\n"
  }

  private var subtitle: String {
    var text =
      "\(run.system), \(run.nodes) nodes, \(run.clients) clients, seed \(run.seed), "
      + "began \(run.startedAt)"
    for setting in run.settings { text += ", \(setting.name) \(setting.value)" }
    return text
  }

  private var cards: String {
    let total = analysis.total
    func card(_ value: String, _ name: String) -> String {
      "<div class=\"card\"><b>\(Markup.escaped(value))</b><span>\(name)</span></div>\n"
    }
    return "<div class=\"cards\">\n"
      + card(Numbers.grouped(total.ok), "operations answered")
      + card(
        Numbers.decimal(analysis.rate, 0) + "/s", "over \(Numbers.decimal(analysis.seconds, 0)) s")
      + card(Numbers.grouped(total.unknown), "unknown")
      + card(Numbers.grouped(total.refused), "refused")
      + card(Numbers.duration(total.median), "median latency")
      + card(Numbers.duration(total.high), "99 % below")
      + card("\(run.faults.count { $0.didBite }) of \(run.faults.count)", "faults that bit")
      + "</div>\n"
  }

  private var verdicts: String {
    var table =
      "<div class=\"scroll\"><table><tr><th>check</th><th></th><th>decided by</th>"
      + "<th>what was found</th></tr>\n"
    for verdict in run.verdicts {
      table +=
        "<tr><td>\(Markup.escaped(verdict.name))</td><td>\(Self.badge(verdict.status))</td>"
        + "<td>\(Markup.escaped(verdict.method))</td>"
        + "<td>\(Markup.escaped(verdict.text))</td></tr>\n"
    }
    return table + "</table></div>\n"
  }

  private func witness(of verdict: Verdict) -> String {
    guard let witness = verdict.witness else { return "" }
    var text = "<h2>Why \(Markup.escaped(verdict.name)) is \(verdict.status.rawValue)</h2>\n"
    text +=
      "<p>These \(witness.operations.count) operations on <code>\(Markup.escaped(witness.key))"
      + "</code> show it by themselves:</p>\n<ol>\n"
    for sentence in witness.explanation { text += "<li>\(Markup.escaped(sentence))</li>\n" }
    text += "</ol>\n"
    text += Self.key([
      ("#2f7fb8", "reads"), ("#1f8a4c", "writes"), ("--unknown", "unknown: may take effect later"),
      ("--soft", "others on this key"),
    ])
    text += WitnessTimeline(witness, run.history).svg
    text +=
      "<div class=\"scroll\"><table><tr><th>process</th><th>operation</th>"
      + "<th class=\"n\">began</th><th class=\"n\">ended</th><th>node</th></tr>\n"
    for operation in witness.operations {
      text +=
        "<tr><td>\(operation.process)</td><td>\(Markup.escaped(operation.words))</td>"
        + "<td class=\"n\">\(Numbers.seconds(operation.startNanoseconds, 6))</td><td class=\"n\">"
        + (operation.endNanoseconds.map { Numbers.seconds($0, 6) } ?? "no answer")
        + "</td><td>\(operation.node.map { "n\($0)" } ?? "")</td></tr>\n"
    }
    return text + "</table></div>\n"
  }

  private var faults: String {
    guard !run.faults.isEmpty else { return "<p>Nothing was injected.</p>\n" }
    var table =
      "<div class=\"scroll\"><table><tr><th>fault</th><th>what</th><th class=\"n\">from</th>"
      + "<th class=\"n\">to</th><th class=\"n\">answered</th><th class=\"n\">longest gap</th>"
      + "<th class=\"n\">recovered after</th><th>proof</th></tr>\n"
    for (fault, effect) in zip(run.faults, analysis.effects) {
      table +=
        "<tr><td class=\"w\">\(Markup.escaped(fault.nemesis))</td>"
        + "<td>\(Markup.escaped(fault.what))</td>"
        + "<td class=\"n\">\(Numbers.seconds(fault.startNanoseconds))</td>"
        + "<td class=\"n\">\(Numbers.seconds(fault.endNanoseconds))</td>"
        + "<td class=\"n\">\(effect.availability.map(Numbers.percent) ?? "–")</td>"
        + "<td class=\"n\">\(Numbers.duration(effect.longestGapNanoseconds))</td>"
        + "<td class=\"n\">\(effect.recoveryNanoseconds.map(Numbers.recovery) ?? "–")</td>"
        + "<td>\(fault.didBite ? "" : "<b>did not bite</b> ")\(Markup.escaped(fault.proof))"
        + (fault.reason.isEmpty ? "" : "<br>chosen: \(Markup.escaped(fault.reason))") + "</td>"
        + "</tr>\n"
    }
    return table + "</table></div>\n"
  }

  private static func badge(_ status: Verdict.Status) -> String {
    "<span class=\"badge \(status.rawValue)\">\(status.rawValue)</span>"
  }

  private static func key(_ entries: [(color: String, name: String)]) -> String {
    let parts = entries.map { entry in
      let color = entry.color.hasPrefix("--") ? "var(\(entry.color))" : entry.color
      return "<i style=\"background:\(color)\"></i>\(Markup.escaped(entry.name))"
    }
    return "<p class=\"key\">" + parts.joined() + "</p>\n"
  }
}

extension Numbers {
  /// Measured in steps of 100 ms.
  static func recovery(_ nanoseconds: UInt64) -> String {
    nanoseconds < 100_000_000 ? "at once" : seconds(nanoseconds)
  }
}
