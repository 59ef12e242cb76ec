internal import JepsenHistory
internal import KVBase

/// The run for programs.
enum Machines {
  static func summaryJSON(_ run: RunRecord) -> String {
    let analysis = RunAnalysis(run)
    let quoted = JSON.quoted
    func optional(_ number: UInt64?) -> String { number.map { String($0) } ?? "null" }
    let verdicts = run.verdicts.map { verdict in
      "{\"name\":\(quoted(verdict.name)),\"status\":\(quoted(verdict.status.rawValue)),"
        + "\"method\":\(quoted(verdict.method)),\"text\":\(quoted(verdict.text)),"
        + "\"witness\":"
        + (verdict.witness.map { "[" + $0.operations.map(\.jsonLine).joined(separator: ",") + "]" }
          ?? "null") + "}"
    }
    let faults = zip(run.faults, analysis.effects).map { fault, effect in
      let availability = effect.availability.map { Numbers.decimal($0, 4) } ?? "null"
      return "{\"nemesis\":\(quoted(fault.nemesis)),\"what\":\(quoted(fault.what)),"
        + "\"nodes\":\(fault.nodes),\"start_ns\":\(fault.startNanoseconds),"
        + "\"end_ns\":\(fault.endNanoseconds),\"did_bite\":\(fault.didBite),"
        + "\"reason\":\(quoted(fault.reason)),"
        + "\"proof\":\(quoted(fault.proof)),\"availability\":\(availability),"
        + "\"longest_gap_ns\":\(effect.longestGapNanoseconds),"
        + "\"recovery_ns\":\(optional(effect.recoveryNanoseconds))}"
    }
    let total = analysis.total
    let settings = run.settings.map { "\(quoted($0.name)):\(quoted($0.value))" }
    var rate = Numbers.decimal(analysis.rate, 1)
    rate.removeAll { $0 == "," }
    return """
      {"system":\(quoted(run.system)),"workload":\(quoted(run.workload)),
      "nemeses":[\(run.nemeses.map(quoted).joined(separator: ","))],"seed":\(run.seed),
      "nodes":\(run.nodes),"clients":\(run.clients),"asked_rate":\(run.rate),
      "settings":{\(settings.joined(separator: ","))},"started_at":\(quoted(run.startedAt)),
      "status":\(quoted(run.status.rawValue)),"load_ns":\(run.loadEndNanoseconds),
      "ok":\(total.ok),"unknown":\(total.unknown),"refused":\(total.refused),
      "ops_per_s":\(rate),"p50_ns":\(total.median),"p99_ns":\(total.high),
      "max_ns":\(total.longest),
      "verdicts":[\(verdicts.joined(separator: ",\n"))],
      "faults":[\(faults.joined(separator: ",\n"))],
      "command":\(quoted(run.command))}

      """
  }

  /// One test case a verdict, as continuous integration reads it: a violation is a failure, an
  /// undecided or invalid one an error.
  static func junit(_ run: RunRecord) -> String {
    let escaped = Markup.escaped
    let name = "jepsen-lite \(run.workload) \(run.nemeses.joined(separator: ","))"
    let time = plain(run.loadEndNanoseconds)
    let failures = run.verdicts.count { $0.status == .violated }
    let errors = run.verdicts.count { $0.status == .invalid || $0.status == .unknown }
    var xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      + "<testsuite name=\"\(escaped(name))\" tests=\"\(run.verdicts.count)\" "
      + "failures=\"\(failures)\" errors=\"\(errors)\" skipped=\"0\" time=\"\(time)\">\n"
    for verdict in run.verdicts {
      xml +=
        "<testcase classname=\"\(escaped(name))\" name=\"\(escaped(verdict.name))\" "
        + "time=\"\(time)\">"
      var text = verdict.text
      for sentence in verdict.witness?.explanation ?? [] { text += "\n" + sentence }
      switch verdict.status {
      case .passed: break
      case .violated:
        xml += "<failure message=\"\(escaped(verdict.text))\">\(escaped(text))</failure>"
      case .invalid, .unknown:
        xml +=
          "<error message=\"\(verdict.status.rawValue): \(escaped(verdict.text))\">"
          + "\(escaped(text))</error>"
      }
      xml += "</testcase>\n"
    }
    return xml + "<system-out>\(escaped(run.command))</system-out>\n</testsuite>\n</testsuites>\n"
  }

  private static func plain(_ nanoseconds: UInt64) -> String {
    let thousandths = nanoseconds / 1_000_000 % 1000
    let digits = String(thousandths)
    return "\(nanoseconds / 1_000_000_000)."
      + String(repeating: "0", count: 3 - digits.count) + digits
  }
}
