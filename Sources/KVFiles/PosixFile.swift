internal import Glibc
package import KVBase
internal import KVLog

/// A file descriptor, closed when its owner goes.
struct FileHandle: ~Copyable, Sendable {
  let descriptor: Int32

  init(_ opened: Int32) { descriptor = opened }
  deinit { _ = close(descriptor) }
}

/// What the operating system said about the last call on this thread that failed.
func systemError(_ action: String) -> StorageError {
  let code = errno
  // `strerror` gives a static text, or one of this thread's own.
  return .io("\(action): \(unsafe String(cString: strerror(code)))")
}

/// A segment's file.
package final class PosixFile: SegmentFile {
  private let handle: FileHandle
  /// The name it was opened by; recycling renames it.
  private let path: String

  init(_ handle: consuming FileHandle, path: String) {
    self.handle = handle
    self.path = path
  }

  package var size: Int {
    var status = stat()
    return unsafe fstat(handle.descriptor, &status) == 0 ? Int(status.st_size) : 0
  }

  package func read(at offset: Int, count: Int) throws(StorageError) -> Bytes {
    var failure: StorageError?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = unsafe pread(
          handle.descriptor, buffer.baseAddress?.advanced(by: filled), count - filled,
          off_t(offset + filled))
        if got < 0 && errno == EINTR { continue }
        guard got > 0 else {
          failure =
            got < 0
            ? systemError("cannot read \(path) at \(offset + filled)")
            : .io("cannot read \(path) at \(offset + filled): the file ends there")
          break
        }
        filled += got
      }
    }
    if let failure { throw failure }
    return Bytes(bytes)
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe pwrite(
          handle.descriptor, buffer.baseAddress?.advanced(by: written), bytes.count - written,
          off_t(offset + written))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw systemError("cannot write \(path) at \(offset + written)") }
      written += count
    }
  }

  package func sync() throws(StorageError) {
    guard fdatasync(handle.descriptor) == 0 else { throw systemError("cannot sync \(path)") }
  }

  /// With the file's length, for one that was just made.
  func syncAll() throws(StorageError) {
    guard fsync(handle.descriptor) == 0 else { throw systemError("cannot sync \(path)") }
  }
}
