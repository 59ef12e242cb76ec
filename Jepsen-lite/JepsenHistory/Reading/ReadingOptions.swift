/// How recorded histories are written down.
package enum HistoryFormat: String, Sendable, CaseIterable {
  /// The project's own: one JSON object a line.
  case json
  /// Jepsen's: maps of EDN, one after another or in a vector.
  case edn
}

/// What a failed compare-and-set says. Conventions differ between those who record histories.
package enum FailedCas: String, Sendable, CaseIterable {
  /// It found something else than it expected: an observation of the register.
  case observed
  /// It did not happen, and nothing is known beside.
  case ignored
}

/// What a reader can't know from the bytes.
package struct ReadingOptions: Sendable {
  /// `nil`: seen from the first bytes.
  package var format: HistoryFormat?
  /// `nil`: `observed` in JSON, where an operation that did not happen has an `error`; `ignored`
  /// in EDN, as Jepsen's own checkers do.
  package var failedCas: FailedCas?
  /// EDN: every value is a vector of a key and the value proper.
  package var isIndependent = false
  package var limits = ReadingLimits()

  package init() {}
}

/// Beyond a limit the history is refused with a sentence that names the limit.
package struct ReadingLimits: Sendable {
  /// One line of JSON, or one map of EDN.
  package var operationBytes = 64 << 20
  /// Brackets within brackets.
  package var depth = 64
  package var operations = 50_000_000

  package init() {}
}

/// Why a history can't be read, and where.
package struct HistoryProblem: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1.
  package var line: Int
  /// In bytes, from 1; `nil` where the whole line is meant.
  package var column: Int?
  /// A sentence without its full stop.
  package var text: String

  package init(line: Int, column: Int? = nil, text: String) {
    self.line = line
    self.column = column
    self.text = text
  }

  package var description: String {
    let position = column.map { "line \(line), column \($0)" } ?? "line \(line)"
    return "\(position): \(text)"
  }
}

/// What was read.
package struct RecordedHistory: Sendable {
  package var format: HistoryFormat
  package var operations: [HistoryOperation]
  package var bytes: Int
  /// EDN: what the nemesis did, and other events of no client.
  package var skippedEvents: Int

  package init(
    format: HistoryFormat, operations: [HistoryOperation], bytes: Int, skippedEvents: Int = 0
  ) {
    self.format = format
    self.operations = operations
    self.bytes = bytes
    self.skippedEvents = skippedEvents
  }
}

/// What is wrong at an offset of the buffer; the reader makes line and column of it.
struct ByteProblem: Error {
  var at: Int
  var text: String
  /// More bytes could mend it.
  var isIncomplete = false
}
