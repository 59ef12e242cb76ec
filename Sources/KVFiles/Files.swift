internal import Glibc
package import KVBase

/// The few file operations of a data directory, with errors that say what was tried.
package enum Files {
  package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// What a directory holds, by name; nothing where there is none.
  package static func names(in path: String) throws(StorageError) -> [String] {
    guard exists(path) else { return [] }
    guard let directory = unsafe opendir(path) else {
      throw systemError("cannot open directory \(path)")
    }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        // NUL-terminated, says readdir(3).
        unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a directory and those above it, each of their names durable; one that is there is left
  /// as it is. The name of the directory itself is made durable also where it is there: whoever
  /// made it may have been interrupted before that (etcd#6378).
  package static func makeDirectory(_ path: String) throws(StorageError) {
    try makeDirectory(path, syncing: syncDirectory)
  }

  static func makeDirectory(
    _ path: String, syncing sync: (String) throws(StorageError) -> Void
  ) throws(StorageError) {
    for partial in prefixes(of: path) where partial == path || !exists(partial) {
      let isMade = unsafe mkdir(partial, 0o755) == 0
      guard isMade || errno == EEXIST else { throw systemError("cannot make directory \(partial)") }
      let above = parent(of: partial)
      let isReadable = unsafe access(above, R_OK) == 0
      // Who finds a directory may not be allowed to read the one above.
      if isMade || isReadable { try sync(above) }
    }
  }

  /// The directories that a path passes through, without the root, and the path itself at the end.
  private static func prefixes(of path: String) -> [String] {
    var result: [String] = []
    var prefix = ""
    for part in path.split(separator: "/") {
      prefix += prefix.isEmpty && !path.hasPrefix("/") ? part : "/" + part
      result.append(prefix)
    }
    if !result.isEmpty { result[result.count - 1] = path }
    return result
  }

  /// The directory that holds the name of `path`; found by name, since `..` leads to another
  /// one where `path` is a symbolic link.
  static func parent(of path: String) -> String {
    let parts = path.split(separator: "/")
    let above = parts.dropLast().joined(separator: "/")
    if path.hasPrefix("/") { return "/" + above }
    return above.isEmpty ? "." : above
  }

  /// The first `limit` bytes of a small file; `nil` where there is none.
  package static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8]? {
    let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else {
      if errno == ENOENT { return nil }
      throw systemError("cannot open \(path)")
    }
    let handle = FileHandle(opened)
    var transfer = PosixCalls.Transfer()
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
      transfer = PosixCalls.transfer(limit) { done in
        unsafe Glibc.read(handle.descriptor, buffer.baseAddress?.advanced(by: done), limit - done)
      }
      filled = transfer.done
    }
    if let failure = transfer.failure { throw systemError("cannot read \(path)", failure) }
    return bytes
  }

  /// Replaces a file in one step that survives a crash: a new file, synced, renamed, and the
  /// directory synced.
  package static func replace(
    _ name: String, in directory: String, with bytes: [UInt8]
  ) throws(StorageError) {
    let path = directory + "/" + name
    let temporary = path + ".new"
    try write(bytes, to: temporary)
    guard unsafe rename(temporary, path) == 0 else {
      throw systemError("cannot rename \(temporary) to \(path)")
    }
    try syncDirectory(directory)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(StorageError) {
    let opened = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard opened >= 0 else { throw systemError("cannot create \(path)") }
    let handle = FileHandle(opened)
    let transfer = unsafe bytes.withUnsafeBytes { unsafe PosixCalls.write($0, to: opened) }
    guard transfer.done == bytes.count else {
      throw systemError("cannot write \(path)", transfer.failure ?? ENOSPC)
    }
    guard PosixCalls.succeeds({ fsync(handle.descriptor) }) else {
      throw systemError("cannot sync \(path)")
    }
  }

  /// Makes the names in a directory durable.
  package static func syncDirectory(_ path: String) throws(StorageError) {
    let opened = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard opened >= 0 else { throw systemError("cannot open directory \(path)") }
    let handle = FileHandle(opened)
    guard PosixCalls.succeeds({ fsync(handle.descriptor) }) else {
      throw systemError("cannot sync directory \(path)")
    }
  }

  /// Locks a file for as long as this process lives, or until `unlock`; `nil` where another process
  /// has locked it.
  package static func lock(_ path: String) throws(StorageError) -> Int32? {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw systemError("cannot open \(path)") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      let failure = systemError("cannot lock \(path)")
      _ = Glibc.close(descriptor)
      if isHeld { return nil }
      throw failure
    }
    return descriptor
  }

  package static func unlock(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}
