internal import Glibc
internal import JepsenHistory

/// Reads a history from a file or from standard input, a chunk at a time.
enum CheckInput {
  struct Failure: Error { var text: String }

  private static let chunkBytes = 1 << 20

  static func read(
    _ file: String, _ options: ReadingOptions
  ) throws(Failure) -> RecordedHistory {
    let descriptor = try open(file)
    defer { if descriptor != STDIN_FILENO { close(descriptor) } }
    var reader = HistoryReader(options)
    do throws(HistoryProblem) {
      var buffer = [UInt8](repeating: 0, count: chunkBytes)
      while true {
        let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else {
          throw HistoryProblem(line: 0, text: reason())
        }
        if count == 0 { break }
        try reader.feed(count == buffer.count ? buffer : Array(buffer[..<count]))
      }
      return try reader.finish()
    } catch {
      if error.line == 0 { throw Failure(text: "\(name(file)) can't be read: \(error.text)") }
      let advice =
        options.format == nil && error.line == 1 && error.column == 1
        ? ", or say with --format how it is written" : ""
      throw Failure(
        text: "\(name(file)) is no history that can be checked: \(error): mend that"
          + " line\(advice)")
    }
  }

  static func name(_ file: String) -> String { file == "-" ? "standard input" : file }

  private static func open(_ file: String) throws(Failure) -> Int32 {
    if file == "-" { return STDIN_FILENO }
    let descriptor = unsafe Glibc.open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(
        text: "\(file) can't be opened: \(reason()); name a history, or - for standard input")
    }
    var information = stat()
    guard unsafe fstat(descriptor, &information) == 0,
      information.st_mode & S_IFMT != S_IFDIR
    else {
      close(descriptor)
      throw Failure(
        text: "\(file) is a folder: name the history within it, as \(file)/history.jsonl")
    }
    return descriptor
  }

  static func write(_ text: String, to file: String) throws(Failure) {
    let descriptor = unsafe Glibc.open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw Failure(text: "\(file) can't be written: \(reason()); give --witness another file")
    }
    defer { close(descriptor) }
    var remaining = Array(text.utf8)[...]
    while !remaining.isEmpty {
      let count = unsafe remaining.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      guard count > 0 else {
        throw Failure(text: "\(file) can't be written: \(reason()); give --witness another file")
      }
      remaining = remaining.dropFirst(count)
    }
  }

  private static func reason() -> String {
    unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
  }
}
