internal import JepsenHistory
internal import JepsenReport

/// Writes what a run has shown into its folder.
enum RunReports {
  /// Whether all could be written.
  static func write(_ record: RunRecord, _ folder: RunFolder) -> Bool {
    var isWhole = true
    for (name, text) in [
      ("report.html", Report.html(record)), ("report.txt", Report.text(record)),
      ("summary.json", Report.summaryJSON(record)), ("junit.xml", Report.junit(record)),
    ] where !folder.write(name, text) {
      isWhole = false
    }
    return isWhole
  }
}
