/// Reads the project's own format, chunk by chunk: it keeps the operations, and of the bytes only a
/// line that is not whole yet.
struct JSONHistoryReader {
  private let options: ReadingOptions
  private(set) var operations: [HistoryOperation] = []
  private var rest: [UInt8] = []
  /// How far `rest` was searched for the end of a line.
  private var searched = 0
  private var line = 0

  init(_ options: ReadingOptions) { self.options = options }

  mutating func feed(_ chunk: [UInt8]) throws(HistoryProblem) {
    rest.append(contentsOf: chunk)
    let bytes = rest
    // Held once only, so that it is not copied when the lines read are taken off it.
    rest = []
    var start = 0
    var place = searched
    while place < bytes.count {
      guard bytes[place] == UInt8(ascii: "\n") else {
        place += 1
        continue
      }
      try read(bytes, start, place)
      start = place + 1
      place = start
    }
    guard bytes.count - start <= options.limits.operationBytes else {
      throw tooLong(line + 1)
    }
    searched = bytes.count - start
    rest = start == 0 ? bytes : Array(bytes[start...])
  }

  mutating func finish() throws(HistoryProblem) {
    let bytes = rest
    rest = []
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
    do throws(ByteProblem) {
      operations.append(
        try JSONOperation.read(&cursor, failedCas: options.failedCas ?? .observed))
    } catch {
      throw HistoryProblem(
        line: line, column: error.at < 0 ? nil : error.at - start + 1, text: error.text)
    }
  }

  private func tooLong(_ line: Int) -> HistoryProblem {
    HistoryProblem(
      line: line, text: "a line is longer than \(options.limits.operationBytes) bytes")
  }
}
