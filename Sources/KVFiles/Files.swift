internal import Glibc
package import KVBase

/// The few file operations of a data directory, with errors that say what was tried.
package enum Files {
  static func failure(_ what: String) -> StorageError {
    .io("can't \(what): \(unsafe String(cString: strerror(errno)))")
  }

  package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Makes a directory and those above it; one that is there is left as it is.
  package static func makeDirectory(_ path: String) throws(StorageError) {
    var partial = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false) {
      partial += partial.isEmpty && part.isEmpty ? "/" : (partial.hasSuffix("/") ? "" : "/") + part
      if !path.hasPrefix("/"), partial.hasPrefix("/") { partial.removeFirst() }
      guard !partial.isEmpty, partial != "/", !exists(partial) else { continue }
      if unsafe mkdir(partial, 0o755) != 0, errno != EEXIST {
        throw failure("make directory \(partial)")
      }
    }
  }

  /// The whole of a small file; `nil` where there is none.
  package static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw failure("open \(path)")
    }
    defer { _ = Glibc.close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit)
    var count = 0
    while count < limit {
      let got = unsafe bytes.withUnsafeMutableBytes {
        unsafe Glibc.read(
          descriptor, UnsafeMutableRawBufferPointer(rebasing: $0[count...]).baseAddress,
          limit - count)
      }
      guard got >= 0 else { throw failure("read \(path)") }
      if got == 0 { break }
      count += got
    }
    return Array(bytes[0..<count])
  }

  /// Replaces a file in one step that survives a crash: a new file, synced, renamed, and the
  /// directory synced.
  package static func replace(
    _ name: String, in directory: String, with bytes: [UInt8]
  ) throws(StorageError) {
    let path = directory + "/" + name
    let temporary = path + ".new"
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("create \(temporary)") }
    let written = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
    }
    let isSynced = written == bytes.count && fsync(descriptor) == 0
    _ = Glibc.close(descriptor)
    guard isSynced else { throw failure("write \(temporary)") }
    guard unsafe rename(temporary, path) == 0 else {
      throw failure("rename \(temporary) to \(path)")
    }
    try syncDirectory(directory)
  }

  package static func syncDirectory(_ path: String) throws(StorageError) {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open directory \(path)") }
    defer { _ = Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync directory \(path)") }
  }

  /// Takes the lock file of a directory for as long as this process lives; `nil` where another
  /// process has it. The descriptor is never closed: the end of the process releases it.
  package static func lock(_ path: String) throws(StorageError) -> Int32? {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("open \(path)") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      _ = Glibc.close(descriptor)
      return nil
    }
    return descriptor
  }

  package static func unlock(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}
