internal import Glibc

/// Standard output for data, standard error for everything else.
package enum Console {
  /// Writes data. A reader that has gone away ends the process quietly, as `head` expects.
  package static func out(_ text: String) { write(Array(text.utf8), to: STDOUT_FILENO) }
  package static func out(_ bytes: [UInt8]) { write(bytes, to: STDOUT_FILENO) }
  /// Writes a line for the person.
  package static func say(_ line: String) { write(Array("\(line)\n".utf8), to: STDERR_FILENO) }
  static func show(_ text: String) { write(Array(text.utf8), to: STDERR_FILENO) }

  /// Writes why a tool could not do what was asked. The tool's name stands before it, unless the
  /// sentence begins with it.
  package static func complain(_ tool: String, _ problem: String) {
    let text = complaint(tool, problem)
    say(isErrorTerminal ? TextLayout.wrapped(text, width: 80).joined(separator: "\n") : text)
  }

  static func complaint(_ tool: String, _ problem: String) -> String {
    problem.hasPrefix("\(tool) ") ? problem : "\(tool): \(problem)"
  }

  package static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
  package static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
  package static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        let remaining = unsafe UnsafeRawBufferPointer(rebasing: $0[offset...])
        return unsafe Glibc.write(descriptor, remaining.baseAddress, remaining.count)
      }
      if count < 0 {
        if errno == EINTR || errno == EAGAIN { continue }
        if descriptor == STDOUT_FILENO { Glibc.exit(errno == EPIPE ? 0 : ExitCode.other.rawValue) }
        return
      }
      offset += count
    }
  }

  /// The environment of the process.
  package static var environment: [String: String] {
    var found: [String: String] = [:]
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
      let pair = unsafe String(cString: text)
      if let equals = pair.firstIndex(of: "=") {
        found[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
      }
      unsafe entry += 1
    }
    return found
  }

  /// Whether there is something at that path.
  package static func isFile(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// A longer file, of settings for example, is refused.
  private static let textFileBytes = 1 << 20

  /// A whole small file as text, or a sentence.
  package static func readText(_ path: String) throws(UsageError) -> String {
    do {
      var lines = try LineReader(path: path)
      return String(decoding: try lines.readAll(limit: textFileBytes), as: UTF8.self)
    } catch {
      throw UsageError(error.description)
    }
  }
}

/// A file that can't be read or written: one sentence.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String
  /// There is more than was to be read.
  package private(set) var isTooLong = false

  init(_ what: String, _ path: String, _ number: Int32) {
    let reason = unsafe String(cString: strerror(number))
    description = "\(path) can't be \(what): \(reason)"
  }

  init(tooLong description: String) {
    self.description = description
    isTooLong = true
  }
}

/// Reads a file or standard input line by line.
package struct LineReader: ~Copyable {
  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// Bytes read so far.
  package private(set) var bytesRead = 0
  /// Of the file; `nil` where that is not known.
  package let size: Int?

  /// `-` is standard input.
  package init(path: String) throws(FileError) {
    self.path = path == "-" ? "standard input" : path
    if path == "-" {
      descriptor = STDIN_FILENO
    } else {
      let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
      guard opened >= 0 else { throw FileError("opened", path, errno) }
      descriptor = opened
    }
    var information = stat()
    let isFile =
      unsafe fstat(descriptor, &information) == 0 && information.st_mode & S_IFMT == S_IFREG
    size = isFile ? Int(information.st_size) : nil
  }

  deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

  /// The next line without its end; `nil` after the last. A line above `limit` is an error.
  package mutating func next(limit: Int) throws(FileError) -> [UInt8]? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 10) {
        var line = buffer[start..<end]
        if line.last == 13 { line.removeLast() }
        start = end + 1
        return Array(line)
      }
      if isAtEnd {
        guard start < buffer.count else { return nil }
        let line = Array(buffer[start...])
        start = buffer.count
        return line
      }
      guard buffer.count - start <= limit else {
        throw FileError(tooLong: "\(path) has a line of more than \(limit) bytes")
      }
      buffer.removeSubrange(..<start)
      searched = buffer.count
      start = 0
      try fill()
    }
  }

  package mutating func readAll(limit: Int) throws(FileError) -> [UInt8] {
    while !isAtEnd {
      guard buffer.count <= limit else {
        throw FileError(tooLong: "\(path) is longer than \(limit) bytes")
      }
      try fill()
    }
    return buffer
  }

  private static let readBytes = 256 << 10

  private mutating func fill() throws(FileError) {
    let chunk = Self.readBytes
    var count = 0
    repeat {
      let descriptor = self.descriptor
      let piece = unsafe [UInt8](unsafeUninitializedCapacity: chunk) { target, initialized in
        count = unsafe read(descriptor, target.baseAddress, chunk)
        initialized = max(0, count)
      }
      buffer += piece
    } while count < 0 && errno == EINTR
    guard count >= 0 else { throw FileError("read", path, errno) }
    bytesRead += count
    isAtEnd = count == 0
  }
}
