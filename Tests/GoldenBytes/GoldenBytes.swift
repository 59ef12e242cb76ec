import Foundation

/// Holds encoded bytes against those that `Tests/Golden` records: a change of a format is seen, and
/// made on purpose.
///
/// A file has a line for each sample: its name, a space, and its bytes in hexadecimal.
/// `RECORD_GOLDEN_BYTES=1 swift test --filter GoldenBytes` writes the files anew; the difference
/// then shows what has changed.
package enum GoldenBytes {
  /// What is wrong, as sentences; none where every sample is as recorded, and all records have one.
  package static func problems(
    _ file: String, _ samples: [(name: String, bytes: String)]
  ) throws -> [String] {
    let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Golden/\(file).txt")
    if ProcessInfo.processInfo.environment["RECORD_GOLDEN_BYTES"] != nil {
      let lines = samples.map { "\($0.name) \($0.bytes)\n" }
      try lines.joined().write(to: url, atomically: true, encoding: .utf8)
    }
    let recorded = try String(contentsOf: url, encoding: .utf8)
    return compare(samples, recorded: recorded)
  }

  package static func compare(
    _ samples: [(name: String, bytes: String)], recorded text: String
  ) -> [String] {
    var recorded: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      recorded[String(words[0])] = words.dropFirst().joined()
    }
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
}
