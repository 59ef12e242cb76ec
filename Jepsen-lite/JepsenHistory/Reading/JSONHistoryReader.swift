internal import KVBase

/// Reads the project's own format, chunk by chunk: it keeps the operations, and of the bytes only a
/// line that is not whole yet.
struct JSONHistoryReader {
  private let options: ReadingOptions
  private(set) var operations: [HistoryOperation] = []
  /// The bytes of a line that is not complete.
  private var partial: [UInt8] = []
  /// How far `partial` was searched for the end of a line.
  private var searched = 0
  private var line = 0

  init(_ options: ReadingOptions) { self.options = options }

  mutating func feed(_ chunk: [UInt8]) throws(HistoryProblem) {
    partial.append(contentsOf: chunk)
    let bytes = partial
    // Held once only, so that it is not copied when the lines read are taken off it.
    partial = []
    var start = 0
    var next = searched
    while next < bytes.count {
      guard bytes[next] == UInt8(ascii: "\n") else {
        next += 1
        continue
      }
      try read(bytes, start, next)
      start = next + 1
      next = start
    }
    guard bytes.count - start <= options.limits.operationBytes else {
      throw tooLong(line + 1)
    }
    searched = bytes.count - start
    partial = start == 0 ? bytes : Array(bytes[start...])
  }

  mutating func finish() throws(HistoryProblem) {
    let bytes = partial
    partial = []
    searched = 0
    if !bytes.isEmpty { try read(bytes, 0, bytes.count) }
  }

  private mutating func read(
    _ bytes: [UInt8], _ start: Int, _ end: Int
  ) throws(HistoryProblem) {
    line += 1
    guard end - start <= options.limits.operationBytes else { throw tooLong(line) }
    var cursor = JSONCursor(
      bytes, from: start, to: end, maximumDepth: options.limits.depth)
    guard cursor.peek() != nil else { return }
    guard operations.count < options.limits.operations else {
      throw HistoryProblem(
        line: line, text: "there are more than \(options.limits.operations) operations")
    }
    do throws(JSONError) {
      operations.append(
        try JSONOperation.read(&cursor, failedCas: options.failedCas ?? .observed))
    } catch {
      throw HistoryProblem(
        line: line, column: error.offset.map { $0 - start + 1 }, text: error.text)
    }
  }

  private func tooLong(_ line: Int) -> HistoryProblem {
    HistoryProblem(
      line: line, text: "a line is longer than \(options.limits.operationBytes) bytes")
  }
}
