internal import Glibc
package import KVBase
internal import KVLog

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
    var transfer = PosixCalls.Transfer()
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      transfer = PosixCalls.transfer(count) { done in
        unsafe pread(
          handle.descriptor, buffer.baseAddress?.advanced(by: done), count - done,
          off_t(offset + done))
      }
      filled = transfer.done
    }
    let action = "cannot read \(path) at \(offset + transfer.done)"
    if let failure = transfer.failure { throw systemError(action, failure) }
    guard bytes.count == count else { throw .io("\(action): the file ends there") }
    return Bytes(bytes)
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
    let transfer = unsafe bytes.withUnsafeBytes { buffer in
      PosixCalls.transfer(buffer.count) { done in
        unsafe pwrite(
          handle.descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done,
          off_t(offset + done))
      }
    }
    guard transfer.done == bytes.count else {
      throw systemError(
        "cannot write \(path) at \(offset + transfer.done)", transfer.failure ?? ENOSPC)
    }
  }

  package func sync() throws(StorageError) {
    guard PosixCalls.succeeds({ fdatasync(handle.descriptor) }) else {
      throw systemError("cannot sync \(path)")
    }
  }

  /// With the file's length, for one that was just made.
  func syncAll() throws(StorageError) {
    guard PosixCalls.succeeds({ fsync(handle.descriptor) }) else {
      throw systemError("cannot sync \(path)")
    }
  }
}
