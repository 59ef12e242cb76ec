import KVBase
import KVFiles
import KVLog
import Synchronization
import Testing

/// A real directory that tells what was asked of it, in order, and fails where it is told to.
final class WatchedDirectory: SegmentDirectory {
  enum Event: Equatable {
    case create(String), write(String), sync(String), rename(String, String), remove(String)
    case directorySync
  }

  final class File: SegmentFile {
    let base: PosixFile
    let name: Locked<String>
    let watch: Watch

    init(_ base: PosixFile, _ name: String, _ watch: Watch) {
      self.base = base
      self.name = Locked(name)
      self.watch = watch
    }

    var size: Int { base.size }
    func read(at offset: Int, count: Int) throws(StorageError) -> Bytes {
      try watch.beforeRead.withLock { action in
        defer { action = nil }
        return action
      }?()
      return try base.read(at: offset, count: count)
    }
    func write(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
      try watch.note(.write(name.withLock { $0 }))
      try base.write(bytes, at: offset)
    }
    func sync() throws(StorageError) {
      try watch.note(.sync(name.withLock { $0 }))
      try base.sync()
    }
  }

  final class Watch: Sendable {
    let events = Locked<[Event]>([])
    /// Carried out once, before the next read.
    let beforeRead = Locked<(@Sendable () throws(StorageError) -> Void)?>(nil)
    /// How many events from now on one fails.
    let failsIn = Locked<Int?>(nil)

    func note(_ event: Event) throws(StorageError) {
      events.withLock { $0.append(event) }
      let fails = failsIn.withLock { left in
        guard let count = left else { return false }
        left = count == 0 ? nil : count - 1
        return count == 0
      }
      if fails { throw .io("\(event): input/output error") }
    }
  }

  let base: PosixDirectory
  let watch = Watch()
  private let files = Locked<[String: File]>([:])

  init(_ path: String) throws { base = try PosixDirectory(path) }

  var path: String { base.path }
  func list() throws(StorageError) -> [String] { try base.list() }
  func open(_ name: String) throws(StorageError) -> File {
    let file = File(try base.open(name), name, watch)
    files.withLock { $0[name] = file }
    return file
  }
  func create(_ name: String, size: Int) throws(StorageError) -> File {
    try watch.note(.create(name))
    let file = File(try base.create(name, size: size), name, watch)
    files.withLock { $0[name] = file }
    return file
  }
  func rename(_ name: String, to newName: String) throws(StorageError) {
    try watch.note(.rename(name, newName))
    try base.rename(name, to: newName)
    files.withLock { files in
      let file = files.removeValue(forKey: name)
      file?.name.withLock { $0 = newName }
      files[newName] = file
    }
  }
  func remove(_ name: String) throws(StorageError) {
    try watch.note(.remove(name))
    try base.remove(name)
  }
  func sync() throws(StorageError) {
    try watch.note(.directorySync)
    try base.sync()
  }
}

@Suite struct LogStoreFaults {
  let group = GroupID(1)
  let identity = LogIdentity(node: TestLog.node, creationDigest: TestLog.digest)
  let options = LogOptions(segmentBytes: 1024, saltSeed: 7)

  /// Directory entry not fsynced (etcd#6378, etcd#6368): every name is durable before anything
  /// relies on it.
  @Test func namesAreDurableBeforeTheyAreReliedOn() throws {
    let scratch = try ScratchDirectory()
    let directory = try WatchedDirectory(scratch.path)
    let log = try SegmentLog.create(in: directory, identity: identity, options: options)
    try log.append([.begin(group)])
    for i in 1...200 as ClosedRange<UInt64> {
      try log.append([.entries(group, [.test(i)])])
      try log.sync()
      if i > 3 { try log.compact(group, through: LogIndex(i - 3)) }
    }
    let events = directory.watch.events.withLock { $0 }
    var isNameDurable: [String: Bool] = [:]
    var isContentDurable: [String: Bool] = [:]
    var wasSegment: Set<String> = []
    var renames = 0
    for event in events {
      switch event {
      case .create(let name):
        isNameDurable[name] = false
        isContentDurable[name] = true
      case .rename(let name, let newName):
        renames += 1
        // A segment gets its name when its begin is durable.
        if LogFormat.sequence(ofSegment: newName) != nil {
          #expect(isContentDurable[name] == true, "\(newName)")
        }
        if LogFormat.sequence(ofSegment: name) != nil { wasSegment.insert(newName) }
        isContentDurable[newName] = isContentDurable[name]
        isNameDurable[newName] = false
      case .directorySync: for name in isNameDurable.keys { isNameDurable[name] = true }
      case .write(let name):
        // A new spare may be written before its own name is durable, since nobody knows it; a
        // recycled one would still be known by its old name.
        if LogFormat.sequence(ofSegment: name) != nil || wasSegment.contains(name) {
          #expect(isNameDurable[name] == true, "\(name) was written before its name was durable")
        }
        isContentDurable[name] = false
      case .sync(let name): isContentDurable[name] = true
      case .remove: break
      }
    }
    #expect(renames > 20)
  }

  /// Failed fsync retried as success ("Can Applications Recover from fsync Failures?", ATC'20).
  @Test func anyFailureOfTheDiskIsFinalAndLosesNothingThatWasSynced() throws {
    for count in 0..<60 {
      let scratch = try ScratchDirectory()
      let log = try SegmentLog.create(
        in: try WatchedDirectory(scratch.path), identity: identity, options: options)
      try log.append([.begin(group)])
      try log.sync()
      log.directory.watch.failsIn.withLock { $0 = count }
      var durable: UInt64 = 0
      var written: UInt64 = 0
      var failure: StorageError?
      for i in 1...100 as ClosedRange<UInt64> {
        do {
          written = i
          try log.append([.entries(group, [.test(i)])])
          try log.sync()
          durable = i
          if i > 3 { try log.compact(group, through: LogIndex(i - 3)) }
        } catch {
          failure = error
          break
        }
      }
      let first = try #require(failure, "\(count)")
      #expect(throws: first) { try log.sync() }
      #expect(throws: first) { try log.append([.entries(group, [.test(written + 1)])]) }
      #expect(throws: first) { try log.compact(group, through: LogIndex(1)) }
      #expect(throws: first) {
        try log.read(group, from: LogIndex(1), through: LogIndex(1), maxBytes: 1)
      }
      let opened = try TestLog.open(.real, scratch.contents, options: options)
      let last = try #require(opened.log.recovered.first?.log.lastIndex.rawValue)
      #expect(last == durable || last == written, "\(count)")
    }
  }

  /// After a failed sync the page cache holds what the disk does not, and a sync after a restart
  /// reports success: recovery must write the end of the log again.
  @Test func whatAFailedSyncLeftInTheCacheIsWrittenAgainAfterARestart() throws {
    let log = try MemoryLog.create(node: TestLog.node, options: options)
    try log.append([.begin(group), .entries(group, [.test(1)])])
    try log.sync()
    try log.append([.entries(group, [.test(2)])])
    log.inject(.failedSync)
    let error = try #require(throws: StorageError.self) { try log.sync() }
    #expect(throws: error) { try log.sync() }
    let restarted = try log.restart()
    #expect(restarted.recovered.first?.log.lastIndex == LogIndex(2))
    let after = try restarted.crash()
    #expect(after.recovered.first?.log.lastIndex == LogIndex(2))
  }

  @Test func aFailedWriteIsFinalWhateverPartOfItWasWritten() throws {
    for count in 0..<160 {
      let log = try MemoryLog.create(node: TestLog.node, options: options)
      try log.append([.begin(group), .entries(group, [.test(1)])])
      try log.sync()
      log.inject(.failedWrite(afterBytes: count))
      let records: [LogRecord] = [.entries(group, [.test(2)])]
      let error = try #require(throws: StorageError.self) { try log.append(records) }
      #expect(throws: error) { try log.append(records) }
      #expect(throws: error) { try log.sync() }
      let last = try log.restart().recovered.first?.log.lastIndex.rawValue
      // 87 bytes and one of padding.
      #expect(last == (count < 87 ? 1 : 2), "\(count)")
    }
  }

  /// Acknowledgement before fsync on a single node (etcd#14370): only `sync` makes durable.
  @Test func whatWasNotSyncedIsLostWithThePower() throws {
    let log = try MemoryLog.create(node: TestLog.node, options: options)
    try log.append([.begin(group), .entries(group, [.test(1)])])
    try log.sync()
    try log.append([.entries(group, [.test(2)])])
    let after = try log.crash()
    #expect(after.recovered.first?.log.lastIndex == LogIndex(1))
    #expect(throws: StorageError.self) { try log.sync() }
  }

  /// Hard state released before the snapshot that needs it (etcd#10219): the two are one batch, and
  /// a loss of power leaves both or neither.
  @Test func aSnapshotAndItsHardStateAreThereTogetherOrNotAtAll() throws {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let log = try MemoryLog.create(node: TestLog.node, options: options)
      let large = Bytes([UInt8](repeating: 1, count: 700))
      try log.append([.begin(group), .entries(group, [.test(1)])])
      try log.sync()
      try log.append([
        .hardState(group, HardState(term: Term(7))),
        .reset(
          group, generation: Generation(2), index: LogIndex(50), term: Term(7),
          configuration: .three),
        .entries(group, [.test(51, term: 7, large)]),
      ])
      let recovered = try #require(try log.crash(tearing: &random).recovered.first?.log)
      let isNew = recovered.hardState.term == Term(7)
      #expect(recovered.generation == Generation(isNew ? 2 : 1))
      #expect(recovered.baseIndex == (isNew ? LogIndex(50) : .zero))
      #expect(recovered.lastIndex == LogIndex(isNew ? 51 : 1))
    }
  }

  /// Term and vote not persisted atomically (ClickHouse#111454): they are one record.
  @Test func aTermIsNeverThereWithAnotherTermsVote() throws {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let log = try MemoryLog.create(node: TestLog.node, options: options)
      try log.append([.begin(group)])
      try log.sync()
      for term in 1...4 as ClosedRange<UInt64> {
        try log.append([
          .hardState(group, HardState(term: Term(term), vote: ReplicaID(rawValue: 100 + term)))
        ])
      }
      let state = try #require(try log.crash(tearing: &random).recovered.first?.log.hardState)
      #expect(
        state == HardState() || state.vote == ReplicaID(rawValue: 100 + state.term.rawValue))
    }
  }
}
