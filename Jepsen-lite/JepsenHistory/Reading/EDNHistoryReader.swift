/// Reads Jepsen's histories chunk by chunk: maps, one after another or in a vector. It keeps the
/// operations, and of the bytes only a map that is not whole yet.
struct EDNHistoryReader {
  private let options: ReadingOptions
  private var pairing: EDNPairing
  private var remaining: [UInt8] = []
  /// Where `remaining` begins in the history.
  private var line = 1
  private var column = 1
  private var opening: (closing: UInt8, line: Int)?
  private var isClosed = false

  var operations: [HistoryOperation] { pairing.operations }
  var skipped: Int { pairing.skipped }

  init(_ options: ReadingOptions) {
    self.options = options
    pairing = EDNPairing(options)
  }

  mutating func feed(_ chunk: [UInt8]) throws(HistoryProblem) {
    remaining.append(contentsOf: chunk)
    try advance(isLast: false)
    guard remaining.count <= options.limits.operationBytes else {
      throw HistoryProblem(
        line: line, text: "a form is longer than \(options.limits.operationBytes) bytes")
    }
  }

  mutating func finish() throws(HistoryProblem) {
    try advance(isLast: true)
    if let opening, !isClosed {
      throw HistoryProblem(
        line: line, column: column,
        text: "the history ends, and the bracket of line \(opening.line) is not closed")
    }
  }

  private mutating func advance(isLast: Bool) throws(HistoryProblem) {
    var cursor = EDNCursor(
      remaining, from: 0, maximumDepth: options.limits.depth, isLast: isLast)
    remaining = []
    var walked = 0
    /// Where the bytes that are not taken yet begin.
    var kept = 0
    do throws(ByteProblem) {
      while let byte = try cursor.peekPastDiscarded() {
        kept = cursor.at
        walk(cursor.bytes, &walked, to: kept)
        if !(try skipBracket(byte, at: kept)) {
          try read(try cursor.form(), at: kept)
        } else {
          cursor.at += 1
        }
        kept = cursor.at
      }
      kept = cursor.at
    } catch {
      if !error.isIncomplete {
        walk(cursor.bytes, &walked, to: error.at)
        throw HistoryProblem(line: line, column: column, text: error.text)
      }
    }
    walk(cursor.bytes, &walked, to: kept)
    remaining = kept == 0 ? cursor.bytes : Array(cursor.bytes[kept...])
  }

  /// The brackets around all operations.
  private mutating func skipBracket(_ byte: UInt8, at position: Int) throws(ByteProblem) -> Bool {
    if isClosed {
      throw ByteProblem(at: position, text: "something follows after the end of the history")
    }
    if let opening, byte == opening.closing {
      isClosed = true
      return true
    }
    guard opening == nil, pairing.events == 0 else { return false }
    switch byte {
    case UInt8(ascii: "["): opening = (UInt8(ascii: "]"), line)
    case UInt8(ascii: "("): opening = (UInt8(ascii: ")"), line)
    default: return false
    }
    return true
  }

  private mutating func read(_ form: EDNForm, at start: Int) throws(ByteProblem) {
    guard case .map(let pairs) = form.untagged else {
      throw ByteProblem(at: start, text: "\(form.text) stands where a map of an operation should")
    }
    do throws(EDNPairing.Problem) {
      try pairing.add(pairs, line: line)
    } catch {
      throw ByteProblem(at: start, text: error.text)
    }
  }

  /// Counts lines and columns on.
  private mutating func walk(_ bytes: [UInt8], _ walked: inout Int, to position: Int) {
    while walked < min(position, bytes.count) {
      if bytes[walked] == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else {
        column += 1
      }
      walked += 1
    }
  }
}
