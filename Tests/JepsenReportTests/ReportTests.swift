import Foundation
import JepsenHistory
import Testing

@testable import JepsenReport

@Suite struct ReportTests {
  @Test func analysisFindsTheOutageAndTheRecovery() throws {
    let analysis = RunAnalysis(SampleRun.make())
    #expect(analysis.total.ok + analysis.total.refused + analysis.total.unknown == 12_000)
    #expect(analysis.total.ok == 12_000 - analysis.total.refused - analysis.total.unknown)
    #expect(analysis.total.unknown > 60 && analysis.total.refused > 60)
    let isolated = try #require(analysis.effects.first)
    let availability = try #require(isolated.availability)
    #expect(availability > 0.9 && availability < 0.93)
    #expect(isolated.longestGapNanoseconds > 650_000_000)
    #expect(isolated.longestGapNanoseconds < 720_000_000)
    #expect(isolated.recoveryNanoseconds == 0)
    #expect(analysis.effects[1].availability == 1)
  }

  @Test func recoveryIsSeenLateWhereServiceStaysAway() throws {
    var run = SampleRun.make()
    // Nothing is answered until 2.3 s after the first fault's end.
    let (from, to) = (12 * SampleRun.second, 20_300_000_000 as UInt64)
    run.history.removeAll { $0.startNanoseconds >= from && $0.startNanoseconds < to }
    let recovery = try #require(RunAnalysis(run).effects[0].recoveryNanoseconds)
    #expect(recovery >= 2_200_000_000 && recovery <= 2_500_000_000)
  }

  @Test func anEmptyRunIsARunAndNotPassed() {
    var run = SampleRun.make()
    run.history = []
    run.faults = []
    run.verdicts = []
    #expect(run.status == .invalid)
    #expect(Report.html(run).contains("Nothing was injected"))
    #expect(!Report.text(run).isEmpty && !Report.junit(run).isEmpty)
    #expect(RunAnalysis(run).rate == 0)
  }

  @Test func theWorstVerdictIsTheRuns() {
    var run = SampleRun.make(isViolated: false)
    #expect(run.status == .passed)
    run.verdicts.append(Verdict("a", .unknown, method: "", text: ""))
    #expect(run.status == .unknown)
    run.verdicts.append(Verdict("b", .invalid, method: "", text: ""))
    #expect(run.status == .invalid)
    run.verdicts.append(Verdict("c", .violated, method: "", text: ""))
    #expect(run.status == .violated)
  }

  @Test func thePageHoldsEverythingAndLoadsNothing() throws {
    let page = Report.html(SampleRun.make())
    for text in [
      "violated", "n1 cut off from n2 &amp; n3", "n2 killed &lt;at once&gt;", "did not bite",
      "12,345 bytes blocked", "0.16", "jepsen-lite run --workload register",
    ] {
      #expect(page.contains(text), "\(text) is missing")
    }
    #expect(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"))
    // Every element that is opened is closed: the page is well-formed but for its head.
    let body = try #require(page.range(of: "<body>"))
    let inside = String(page[body.upperBound...])
      .replacing("</body></html>", with: "").replacing("<br>", with: "")
    let parser = XMLText(inside)
    #expect(parser.problem == nil, "\(parser.problem ?? "")")
    if let path = ProcessInfo.processInfo.environment["SAMPLE_REPORT"] {
      try page.write(toFile: path, atomically: true, encoding: .utf8)
    }
  }

  @Test func textFitsATerminal() {
    let text = Report.text(SampleRun.make())
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    #expect(text.contains("VIOLATED") && text.contains("DID NOT BITE"))
  }

  @Test func summaryIsJSON() throws {
    let text = Report.summaryJSON(SampleRun.make())
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let summary = try #require(object)
    #expect(summary["status"] as? String == "violated")
    #expect((summary["faults"] as? [Any])?.count == 3)
    let verdicts = try #require(summary["verdicts"] as? [[String: Any]])
    #expect((verdicts[1]["witness"] as? [Any])?.count == 4)
  }

  @Test func junitCountsAndIsWellFormed() {
    var run = SampleRun.make()
    run.verdicts.append(Verdict("third \u{1}<&>", .unknown, method: "", text: "given \"up\""))
    let xml = Report.junit(run)
    #expect(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\""))
    let body = xml.replacing("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", with: "")
    #expect(XMLText(body).problem == nil)
  }

  @Test func tableRowHasTheHeadsColumns() {
    let columns = Report.tableHead.split(separator: "\n").map { $0.count { $0 == "|" } }
    #expect(columns == [8, 8])
    let row = Report.tableRow(SampleRun.make())
    #expect(row.count { $0 == "|" } == 8)
    #expect(row.contains("2 of 3") && row.contains("violated"))
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"),
  ])
  func grouped(number: Int, text: String) { #expect(Numbers.grouped(number) == text) }

  @Test(arguments: [
    (0.05, 1, "0.1"), (12.34, 1, "12.3"), (1999.96, 1, "2,000.0"), (-0.04, 1, "0.0"),
    (7, 0, "7"), (1.005, 3, "1.005"),
  ])
  func decimals(number: Double, digits: Int, text: String) {
    #expect(Numbers.decimal(number, digits) == text)
  }

  @Test func stepsAreRoundAndEnough() {
    for high in [0.001, 0.3, 1, 7, 99, 100, 1234, 5e7] {
      let step = Numbers.step(upTo: high, count: 5)
      #expect(high / step <= 5.0001 && high / step > 1.5, "\(high): \(step)")
    }
  }
}
