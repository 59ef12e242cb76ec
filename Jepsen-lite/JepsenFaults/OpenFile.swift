internal import Glibc

/// A file that is open, closed when its owner goes.
struct OpenFile: ~Copyable {
  let path: String
  private let descriptor: Int32

  init(_ path: String, _ flags: Int32) throws(FaultError) {
    descriptor = unsafe open(path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system("open \(path)") }
    self.path = path
  }

  deinit { _ = close(descriptor) }

  var size: Int {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Up to `count` bytes; fewer where the file ends.
  func read(at offset: Int, count: Int) throws(FaultError) -> [UInt8] {
    var failed = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = unsafe pread(
          descriptor, buffer.baseAddress?.advanced(by: filled), count - filled,
          off_t(offset + filled))
        if got < 0 && errno == EINTR { continue }
        failed = got < 0
        if got <= 0 { break }
        filled += got
      }
    }
    if failed { throw .system("read \(path)") }
    return bytes
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(FaultError) {
    var written = 0
    while written < bytes.count {
      let put = unsafe bytes.withUnsafeBytes {
        unsafe pwrite(
          descriptor, $0.baseAddress?.advanced(by: written), bytes.count - written,
          off_t(offset + written))
      }
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else { throw .system("write \(path)") }
      written += put
    }
  }

  func resize(to size: Int) throws(FaultError) {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw .system("resize \(path)") }
  }
}
