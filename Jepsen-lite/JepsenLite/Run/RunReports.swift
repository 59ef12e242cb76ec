internal import JepsenHistory

/// Writes what a run has shown into its folder.
enum RunReports {
  /// Whether all could be written.
  static func write(_ record: RunRecord, _ folder: RunFolder) -> Bool {
    var text = "\(record.system): \(record.command)\n"
    for verdict in record.verdicts {
      text += "\(verdict.status.rawValue) \(verdict.name) (\(verdict.method)): \(verdict.text)\n"
      if let witness = verdict.witness {
        for operation in witness.operations { text += "  \(operation.jsonLine)\n" }
        for sentence in witness.explanation { text += "  \(sentence)\n" }
      }
    }
    for fault in record.faults {
      text += "\(fault.nemesis): \(fault.what): \(fault.proof) \(fault.didBite)\n"
    }
    return folder.write("report.txt", text)
  }
}
