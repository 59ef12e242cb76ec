internal import Glibc
internal import KVBase

/// A file descriptor, closed when its owner goes.
struct FileHandle: ~Copyable, Sendable {
  let descriptor: Int32

  init(_ opened: Int32) { descriptor = opened }
  deinit { _ = close(descriptor) }
}

/// What the operating system said about the last call on this thread that failed, or about the one
/// that failed with `code`.
func systemError(_ action: String, _ code: Int32 = errno) -> StorageError {
  // `strerror` gives a static text, or one of this thread's own.
  return .io("\(action): \(unsafe String(cString: strerror(code)))")
}

/// System calls that may do a part of what they were asked for, or be interrupted by a signal:
/// every read, write and sync of this module goes through these.
enum PosixCalls {
  struct Transfer: Equatable {
    var done = 0
    /// The `errno` that ended it early; `nil` where nothing failed.
    var failure: Int32?
  }

  /// Calls until `count` bytes are done, each time with how many are: `call` answers how many more
  /// it did, or -1 and `errno`. Ends early where it answered 0 (no more can be read or written), or
  /// -1 but for a signal.
  @inline(__always)
  static func transfer(_ count: Int, _ call: (_ done: Int) -> Int) -> Transfer {
    var transfer = Transfer()
    while transfer.done < count {
      let more = call(transfer.done)
      if more > 0 {
        transfer.done += more
      } else if more == 0 {
        break
      } else if errno != EINTR {
        transfer.failure = errno
        break
      }
    }
    return transfer
  }

  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Transfer {
    transfer(bytes.count) { done in
      unsafe Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
    }
  }

  /// `fsync` or `fdatasync`: false where it failed. An interrupted one has decided nothing, unlike
  /// a failed one, and is made again.
  static func succeeds(_ call: () -> Int32) -> Bool {
    while true {
      if call() == 0 { return true }
      if errno != EINTR { return false }
    }
  }
}
