internal import FaultControl
internal import Glibc

/// The journal that a dead process left: its changes that are not durable, in their order.
struct Journal {
  enum State: UInt16 {
    case pending = 1
    case failed
    case durable
    case dead
  }

  /// A file, whatever its name is now.
  struct FileID: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  enum Change {
    /// Bytes were written at `offset` over `before`, into a file of that size.
    case write(offset: Int, length: Int, before: ArraySlice<UInt8>, size: Int)
    /// The file of that size got another one; `before` is what followed the new end.
    case resize(to: Int, before: ArraySlice<UInt8>, size: Int)
    case name(NameChange)
  }

  struct NameChange {
    enum Kind { case create, unlink, rename, link, makeDirectory, removeDirectory }
    var kind: Kind
    var path: String
    /// Of `rename`.
    var newPath: String
    /// What was replaced or removed, by its name in the journal's folder; may be empty.
    var kept: String
  }

  struct Record {
    var state: State
    var file: FileID
    var change: Change
  }

  private(set) var records: [Record] = []
  private let folder: String
  private static let headSize = 80

  /// Reads the journal in `folder`; empty where no process ever made one.
  init(folder: String) throws(FaultError) {
    self.folder = folder
    let path = folder + "/journal"
    guard unsafe access(path, F_OK) == 0 else { return }
    let file = try OpenFile(path, O_RDONLY)
    let head = try file.read(at: 0, count: Int(FAULT_JOURNAL_HEADER))
    guard Self.word(head, FAULT_JOURNAL_MAGIC_WORD) == UInt64(FAULT_JOURNAL_MAGIC) else { return }
    let version = Self.word(head, FAULT_JOURNAL_VERSION)
    guard version == UInt64(FAULT_CONTROL_VERSION) else {
      throw FaultError("\(path) has version \(version): this is for \(FAULT_CONTROL_VERSION)")
    }
    let active = Self.word(head, FAULT_JOURNAL_ACTIVE)
    let tail = Self.word(head, active == 0 ? FAULT_JOURNAL_TAIL_0 : FAULT_JOURNAL_TAIL_1)
    let start = UInt64(FAULT_JOURNAL_HEADER) + active * Self.word(head, FAULT_JOURNAL_CAPACITY)
    let bytes = try file.read(at: Int(start), count: Int(tail))
    try parse(bytes, path)
  }

  private mutating func parse(_ bytes: [UInt8], _ path: String) throws(FaultError) {
    var offset = 0
    while offset + Self.headSize <= bytes.count {
      let size = Int(Self.number(bytes, offset, 4))
      guard size >= Self.headSize, offset + size <= bytes.count else {
        throw FaultError("\(path) is damaged at \(offset): a record of \(size) bytes")
      }
      if let record = Self.record(bytes[offset..<offset + size]) { records.append(record) }
      offset += size
    }
  }

  /// `nil` for what is dead.
  private static func record(_ bytes: ArraySlice<UInt8>) -> Record? {
    func field(_ at: Int, _ count: Int = 8) -> Int {
      Int(number(bytes, bytes.startIndex + at, count))
    }
    guard let state = State(rawValue: UInt16(field(6, 2))), state != .dead else { return nil }
    let file = FileID(
      device: number(bytes, bytes.startIndex + 16, 8),
      inode: number(bytes, bytes.startIndex + 24, 8))
    let payload = bytes.dropFirst(headSize).prefix(field(64))
    let change: Change
    switch fault_record_kind(UInt32(field(4, 2))) {
    case FAULT_RECORD_WRITE:
      change = .write(offset: field(40), length: field(48), before: payload, size: field(56))
    case FAULT_RECORD_RESIZE:
      change = .resize(to: field(48), before: payload, size: field(56))
    case let kind:
      guard let name = nameChange(kind, payload) else { return nil }
      change = .name(name)
    }
    return Record(state: state, file: file, change: change)
  }

  private static func nameChange(
    _ kind: fault_record_kind, _ payload: ArraySlice<UInt8>
  ) -> NameChange? {
    let kinds: [(fault_record_kind, NameChange.Kind)] = [
      (FAULT_RECORD_CREATE, .create), (FAULT_RECORD_UNLINK, .unlink),
      (FAULT_RECORD_RENAME, .rename), (FAULT_RECORD_LINK, .link),
      (FAULT_RECORD_MAKE_DIRECTORY, .makeDirectory),
      (FAULT_RECORD_REMOVE_DIRECTORY, .removeDirectory),
    ]
    guard let kind = kinds.first(where: { $0.0 == kind })?.1 else { return nil }
    let texts = payload.split(separator: 0, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard texts.count >= 3 else { return nil }
    return NameChange(kind: kind, path: texts[0], newPath: texts[1], kept: texts[2])
  }

  private static func word(_ bytes: [UInt8], _ word: fault_journal_word) -> UInt64 {
    number(bytes, Int(word.rawValue) * 8, 8)
  }

  private static func number<Bytes: Collection<UInt8>>(
    _ bytes: Bytes, _ at: Int, _ count: Int
  ) -> UInt64 where Bytes.Index == Int {
    guard at + count <= bytes.endIndex else { return 0 }
    return (0..<count).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
  }

  /// Files by what identifies them, of those below the root and those kept beside the journal.
  func paths(below root: String) throws(FaultError) -> [FileID: String] {
    var found: [FileID: String] = [:]
    let kept = try Folder.files(below: folder).filter { $0.hasPrefix(folder + "/kept-") }
    for path in try kept + Folder.files(below: root) {
      var status = stat()
      guard unsafe lstat(path, &status) == 0 else { continue }
      found[FileID(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))] = path
    }
    return found
  }

  /// Forgets all: what stands in the files is durable now.
  static func clear(folder: String) throws(FaultError) {
    for name in try Folder.list(folder) where name.hasPrefix("kept-") {
      try Folder.remove(folder + "/" + name)
    }
    let path = folder + "/journal"
    guard unsafe access(path, F_OK) == 0 else { return }
    let file = try OpenFile(path, O_RDWR)
    let zeros = [UInt8](repeating: 0, count: 8)
    for word in [FAULT_JOURNAL_TAIL_0, FAULT_JOURNAL_TAIL_1] {
      try file.write(zeros, at: Int(word.rawValue) * 8)
    }
  }
}
