internal import FaultControl
internal import Glibc

/// A file in memory that other processes of this user open by its path while this one lives.
final class MemoryFile: Sendable {
  let descriptor: Int32

  init(_ name: String) throws(FaultError) {
    descriptor = unsafe fault_make_memory(name)
    guard descriptor >= 0 else { throw .system("make a file in memory") }
  }

  deinit { _ = close(descriptor) }

  var path: String { "/proc/\(getpid())/fd/\(descriptor)" }
}

/// The file that the harness shares with the library in a node's process, mapped.
@safe final class ControlFile: Sendable {
  private let file: MemoryFile
  nonisolated(unsafe) private let words: UnsafeMutablePointer<UInt64>

  init(journalLimit: Int) throws(FaultError) {
    let size = Int(FAULT_CONTROL_SIZE)
    file = try MemoryFile("faults-control")
    guard ftruncate(file.descriptor, off_t(size)) == 0 else { throw .system("make \(file.path)") }
    let mapped = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      throw .system("map \(file.path)")
    }
    unsafe words = mapped.bindMemory(to: UInt64.self, capacity: size / 8)
    self[FAULT_VERSION] = UInt64(FAULT_CONTROL_VERSION)
    self[FAULT_JOURNAL_LIMIT] = UInt64(journalLimit)
    // Last: a library that sees it sees the rest.
    self[FAULT_MAGIC] = UInt64(FAULT_CONTROL_MAGIC)
  }

  deinit { unsafe munmap(words, Int(FAULT_CONTROL_SIZE)) }

  var path: String { file.path }

  subscript(_ word: fault_word) -> UInt64 {
    get { unsafe fault_load(words, Int32(word.rawValue)) }
    set { unsafe fault_store(words, Int32(word.rawValue), newValue) }
  }

  func signed(_ word: fault_word) -> Int64 { Int64(bitPattern: self[word]) }

  func set(_ word: fault_word, signed value: Int64) { self[word] = UInt64(bitPattern: value) }

  /// The part of a path that a fault is for. Set it before the fault itself.
  func set(_ pattern: fault_pattern, _ text: String) {
    precondition(
      text.utf8.count < FAULT_PATTERN_SIZE,
      "a pattern of \(text.utf8.count) bytes: at most \(FAULT_PATTERN_SIZE - 1)")
    let start = Int(FAULT_PATTERNS_OFFSET) + Int(pattern.rawValue) * Int(FAULT_PATTERN_SIZE)
    let bytes = unsafe UnsafeMutableRawPointer(words) + start
    // The zero first, so that no reader runs past the end of a text half written.
    for (index, byte) in text.utf8.enumerated().reversed() {
      if index == text.utf8.count - 1 {
        unsafe bytes.storeBytes(of: 0, toByteOffset: index + 1, as: UInt8.self)
      }
      unsafe bytes.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
    if text.isEmpty { unsafe bytes.storeBytes(of: 0, as: UInt8.self) }
  }
}
