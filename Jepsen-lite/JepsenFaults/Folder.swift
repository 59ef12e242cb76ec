internal import Glibc

/// The few file operations that the faults need, with errors that say what was tried.
enum Folder {
  static func make(_ path: String) throws(FaultError) {
    var partial = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      partial += "/" + part
      guard unsafe access(partial, F_OK) != 0 else { continue }
      if unsafe mkdir(partial, 0o755) != 0, errno != EEXIST { throw .system("make \(partial)") }
    }
  }

  static func absolute(_ path: String) throws(FaultError) -> String {
    guard let resolved = unsafe realpath(path, nil) else { throw .system("find \(path)") }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  /// What is in a directory, sorted.
  static func list(_ path: String) throws(FaultError) -> [String] {
    guard let stream = unsafe opendir(path) else { throw .system("read \(path)") }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a directory, or removes everything in it.
  static func empty(_ path: String) throws(FaultError) {
    try make(path)
    for name in try list(path) { try remove(path + "/" + name) }
  }

  /// Removes a file, or a directory with all that is in it; one that is not there is no error.
  static func remove(_ path: String) throws(FaultError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFDIR {
      for name in try list(path) { try remove(path + "/" + name) }
      guard unsafe rmdir(path) == 0 else { throw .system("remove \(path)") }
    } else {
      guard unsafe unlink(path) == 0 else { throw .system("remove \(path)") }
    }
  }

  /// All regular files below, sorted by path.
  static func files(below path: String) throws(FaultError) -> [String] {
    var found: [String] = []
    for name in try list(path) {
      let inner = path + "/" + name
      var status = stat()
      guard unsafe lstat(inner, &status) == 0 else { continue }
      switch status.st_mode & S_IFMT {
      case S_IFDIR: found += try files(below: inner)
      case S_IFREG: found.append(inner)
      default: break
      }
    }
    return found
  }

  static func target(of link: String) -> String? {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink(link, &bytes, bytes.count)
    guard count > 0 else { return nil }
    return String(decoding: bytes[0..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func head(of path: String, count: Int) -> [UInt8]? {
    guard let file = try? OpenFile(path, O_RDONLY) else { return nil }
    return try? file.read(at: 0, count: count)
  }
}
