internal import Glibc
package import KVBase
internal import KVLog

/// The directory of a log on a real disk.
package final class PosixDirectory: SegmentDirectory {
  package let path: String
  private let handle: FileHandle

  /// Opens the directory and locks it against other processes for as long as this lives.
  package init(_ path: String) throws(StorageError) {
    let opened = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard opened >= 0 else { throw systemError("cannot open directory \(path)") }
    handle = FileHandle(opened)
    self.path = path
    guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
      if errno == EWOULDBLOCK {
        throw .io("\(path) is in use by another process: stop that one, or give another --data-dir")
      }
      throw systemError("cannot lock \(path)")
    }
  }

  package func list() throws(StorageError) -> [String] {
    // A descriptor of its own, since `fdopendir` owns the one it is given and moves its offset.
    let copy = unsafe openat(handle.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0 else { throw systemError("cannot open directory \(path)") }
    guard let stream = unsafe fdopendir(copy) else {
      close(copy)
      throw systemError("cannot read directory \(path)")
    }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw systemError("cannot read directory \(path)") }
    return names.sorted()
  }

  package func open(_ name: String) throws(StorageError) -> PosixFile {
    let opened = unsafe openat(handle.descriptor, name, O_RDWR | O_CLOEXEC)
    guard opened >= 0 else { throw systemError("cannot open \(path)/\(name)") }
    return PosixFile(FileHandle(opened), path: "\(path)/\(name)")
  }

  /// Zeros are written, not only promised, so that a later `fdatasync` has no blocks to allocate.
  package func create(_ name: String, size: Int) throws(StorageError) -> PosixFile {
    let opened = unsafe openat(
      handle.descriptor, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard opened >= 0 else { throw systemError("cannot create \(path)/\(name)") }
    let file = PosixFile(FileHandle(opened), path: "\(path)/\(name)")
    let chunk = [UInt8](repeating: 0, count: min(size, 1 << 20))
    var offset = 0
    while offset < size {
      let count = min(chunk.count, size - offset)
      try file.write(count == chunk.count ? chunk : Array(chunk.prefix(count)), at: offset)
      offset += count
    }
    try file.syncAll()
    return file
  }

  package func rename(_ name: String, to newName: String) throws(StorageError) {
    guard unsafe renameat(handle.descriptor, name, handle.descriptor, newName) == 0 else {
      throw systemError("cannot rename \(path)/\(name) to \(newName)")
    }
  }

  package func remove(_ name: String) throws(StorageError) {
    guard unsafe unlinkat(handle.descriptor, name, 0) == 0 else {
      throw systemError("cannot remove \(path)/\(name)")
    }
  }

  package func sync() throws(StorageError) {
    guard PosixCalls.succeeds({ fsync(handle.descriptor) }) else {
      throw systemError("cannot sync directory \(path)")
    }
  }
}
