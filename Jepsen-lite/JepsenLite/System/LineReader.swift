internal import Glibc

/// Reads a file line by line, however long it is.
enum LineReader {
  /// Longer lines are left out.
  private static let longestLine = 1 << 20

  static func read(_ path: String, _ body: (ArraySlice<UInt8>) -> Void) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var pending: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = unsafe Glibc.read(descriptor, &piece, piece.count)
      guard count > 0 else { break }
      pending += piece[..<count]
      var start = pending.startIndex
      while let end = pending[start...].firstIndex(of: UInt8(ascii: "\n")) {
        if end > start { body(pending[start..<end]) }
        start = end + 1
      }
      pending.removeSubrange(..<start)
      if pending.count > longestLine { pending = [] }
    }
    if !pending.isEmpty { body(pending[...]) }
  }
}
