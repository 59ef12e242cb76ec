import Foundation

/// Holds encoded bytes against those that `Tests/Golden` records: a change of a format is seen, and
/// made on purpose.
///
/// A file says first to which version of its format it belongs, then has a line for each sample:
/// its name, a space, and its bytes in hexadecimal.
/// `RECORD_GOLDEN_BYTES=1 swift test --filter GoldenBytes` writes the files anew; the difference
/// then shows what has changed. Bytes that are recorded change only together with the version:
/// until that is raised, nothing is written.
package enum GoldenBytes {
  /// What is wrong, as sentences; none where every sample is as recorded for this version of the
  /// format, and all records have one.
  package static func problems(
    _ file: String, version: Int, _ samples: [(name: String, bytes: String)]
  ) throws -> [String] {
    let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Golden/\(file).txt")
    let isRecording = ProcessInfo.processInfo.environment["RECORD_GOLDEN_BYTES"] != nil
    if isRecording, !FileManager.default.fileExists(atPath: url.path) {
      try text(samples, version: version).write(to: url, atomically: true, encoding: .utf8)
    }
    let recorded = try String(contentsOf: url, encoding: .utf8)
    guard isRecording else { return compare(samples, version: version, recorded: recorded) }
    let problems = changes(samples, version: version, recorded: recorded)
    if problems.isEmpty {
      try text(samples, version: version).write(to: url, atomically: true, encoding: .utf8)
    }
    return problems
  }

  /// How the samples and what is recorded differ.
  package static func compare(
    _ samples: [(name: String, bytes: String)], version: Int, recorded text: String
  ) -> [String] {
    let file = File(text)
    guard file.version == version else {
      return [
        "recorded for version \(file.version.map { "\($0)" } ?? "?"), and this is \(version)"
      ]
    }
    var recorded = file.bytes
    var problems: [String] = []
    for (name, bytes) in samples {
      switch recorded.removeValue(forKey: name) {
      case nil: problems.append("\(name) has no recorded bytes")
      case bytes: break
      case let before?: problems.append("\(name) was \(before) and is \(bytes)")
      }
    }
    return problems + recorded.keys.sorted().map { "\($0) is recorded, and has no sample" }
  }

  /// Why the samples can't be recorded over what there is: the version is the same, and bytes that
  /// it stands for are not. What is new may come to any version.
  package static func changes(
    _ samples: [(name: String, bytes: String)], version: Int, recorded text: String
  ) -> [String] {
    let file = File(text)
    guard let before = file.version, before >= version else { return [] }
    if before > version { return ["recorded for version \(before), and this is \(version)"] }
    return compare(samples, version: version, recorded: text)
      .filter { !$0.hasSuffix("has no recorded bytes") }
      .map { "\($0): raise the version of the format, \(version), first" }
  }

  package static func text(
    _ samples: [(name: String, bytes: String)], version: Int
  ) -> String {
    "version \(version)\n" + samples.map { "\($0.name) \($0.bytes)\n" }.joined()
  }

  private struct File {
    var version: Int?
    var bytes: [String: String] = [:]

    init(_ text: String) {
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        if words[0] == "version" {
          version = Int(words.dropFirst().joined())
        } else {
          bytes[String(words[0])] = words.dropFirst().joined()
        }
      }
    }
  }
}
