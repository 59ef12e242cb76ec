internal import Glibc

/// Writes a file or standard output, in large pieces.
///
/// A file appears whole or not at all: the pieces go to a temporary file in the same folder, which
/// `commit` syncs and renames to the path. Where it is not called, what stood at the path stays as
/// it was, and the temporary file is removed. Only a path that is no regular file, such as a pipe,
/// is written in place.
package struct FileWriter: ~Copyable {
  private let descriptor: Int32
  /// For messages.
  private let name: String
  private var buffer: [UInt8] = []
  /// What is to be renamed, and to which path; `nil` once it is, and where the path is written in
  /// place.
  private var replacement: (temporary: String, path: String)?

  /// `-` is standard output.
  package init(path: String) throws(FileError) {
    name = path == "-" ? "standard output" : path
    guard path != "-" else {
      descriptor = STDOUT_FILENO
      return
    }
    var information = stat()
    let isThere = unsafe stat(path, &information) == 0
    let isFile = information.st_mode & S_IFMT == S_IFREG
    // The permissions of a file stay what they were.
    let mode = isThere && isFile ? information.st_mode & 0o777 : 0o644
    guard !isThere || isFile else {
      let opened = unsafe open(path, O_WRONLY | O_CLOEXEC)
      guard opened >= 0 else { throw FileError("opened", path, errno) }
      descriptor = opened
      return
    }
    // Through a symbolic link the file is replaced, and not the link.
    let target = isThere ? Self.resolved(path) : path
    let temporary = "\(target).\(getpid()).part"
    let opened = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard opened >= 0 else { throw FileError("created", path, errno) }
    descriptor = opened
    if isThere { fchmod(opened, mode) }
    replacement = (temporary, target)
  }

  private static func resolved(_ path: String) -> String {
    guard let found = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(found) }
    return unsafe String(cString: found)
  }

  deinit {
    if descriptor != STDOUT_FILENO { close(descriptor) }
    if let replacement { unsafe unlink(replacement.temporary) }
  }

  /// Bytes that are gathered before they are written.
  private static let bufferBytes = 64 << 10

  package mutating func write(line: [UInt8]) throws(FileError) {
    buffer += line
    buffer.append(10)
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Ends the file: from now on it stands at the path.
  package mutating func commit() throws(FileError) {
    try flush()
    guard let (temporary, path) = replacement else { return }
    guard fsync(descriptor) == 0 else { throw FileError("synced", name, errno) }
    guard unsafe rename(temporary, path) == 0 else { throw FileError("replaced", name, errno) }
    replacement = nil
  }

  private mutating func flush() throws(FileError) {
    var offset = 0
    while offset < buffer.count {
      let count = unsafe buffer.withUnsafeBytes {
        let remaining = unsafe UnsafeRawBufferPointer(rebasing: $0[offset...])
        return unsafe Glibc.write(descriptor, remaining.baseAddress, remaining.count)
      }
      guard count >= 0 else {
        if errno == EINTR { continue }
        throw FileError("written", name, errno)
      }
      offset += count
    }
    buffer.removeAll(keepingCapacity: true)
  }
}
