package import KVBase

/// What goes wrong with a `MemoryDirectory`.
package enum MemoryLogFault: Sendable, Hashable {
  /// The next write fails after this many of its bytes. For tests: the simulator fails syncs.
  case failedWrite(afterBytes: Int)
  /// The next sync fails, and what it should have made durable never will be, whatever later syncs
  /// say, unless it is written again (as Linux does: fsync-gate, 2018).
  case failedSync
  /// The power fails: after this many further writes, syncs and changes of names, none succeeds.
  /// What survives is then found by `crash`.
  case powerCut(afterOperations: Int)
  /// From now on syncs of files, or of the directory, report success and do nothing.
  case syncsDoNothing
  case directorySyncsDoNothing
}

final class MemoryLogFaults: Sendable {
  private let pending = Locked<[MemoryLogFault]>([])

  func inject(_ fault: MemoryLogFault) { pending.withLock { $0.append(fault) } }

  /// Before every change.
  func admit() throws(StorageError) {
    let hasPower = pending.withLock { pending in
      for (i, fault) in pending.enumerated() {
        guard case .powerCut(let left) = fault else { continue }
        if left == 0 { return false }
        pending[i] = .powerCut(afterOperations: left - 1)
      }
      return true
    }
    if !hasPower { throw .io("the power has failed") }
  }

  func consumeFailedWrite() -> Int? {
    pending.withLock { pending in
      for (i, fault) in pending.enumerated() {
        if case .failedWrite(let count) = fault {
          pending.remove(at: i)
          return count
        }
      }
      return nil
    }
  }

  func consumeFailedSync() -> Bool {
    pending.withLock { pending in
      guard let i = pending.firstIndex(of: .failedSync) else { return false }
      pending.remove(at: i)
      return true
    }
  }

  func holds(_ fault: MemoryLogFault) -> Bool { pending.withLock { $0.contains(fault) } }
}

/// What of the unsynced survives a loss of power.
enum MemorySurvival {
  case nothing
  /// A prefix of the bytes written.
  case prefix
  /// Any sectors, in any order.
  case sectors
  case everything
}

/// A file that remembers what was not synced.
package final class MemoryFile: SegmentFile {
  private struct Change: Sendable {
    var range: Range<Int>
    /// What was there before; shorter where the file had not reached so far.
    var old: [UInt8]
  }

  private struct State: Sendable {
    var size: Int
    /// Zeros at the end are left out.
    var bytes: [UInt8]
    var unsynced: [Change] = []
    /// In the page cache and never on the disk: a sync failed.
    var lost: [Change] = []
  }

  private let state: Locked<State>
  private let faults: MemoryLogFaults

  init(size: Int, bytes: [UInt8] = [], faults: MemoryLogFaults) {
    state = Locked(State(size: size, bytes: bytes))
    self.faults = faults
  }

  package var size: Int { state.withLock { $0.size } }

  package func read(at offset: Int, count: Int) throws(StorageError) -> Bytes {
    try state.withLock { (state) throws(StorageError) -> Bytes in
      guard offset >= 0, count >= 0, offset + count <= state.size else {
        throw .io("read of \(count) bytes at \(offset) of \(state.size)")
      }
      var bytes = Array(state.bytes[min(offset, state.bytes.count)...].prefix(count))
      bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
      return Bytes(bytes)
    }
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
    try faults.admit()
    guard let count = faults.consumeFailedWrite() else {
      state.withLock { Self.write(bytes[...], at: offset, &$0) }
      return
    }
    state.withLock { Self.write(bytes.prefix(count), at: offset, &$0) }
    throw .io("write at \(offset): input/output error")
  }

  private static func write(_ bytes: ArraySlice<UInt8>, at offset: Int, _ state: inout State) {
    let end = offset + bytes.count
    let old = Array(state.bytes[min(offset, state.bytes.count)..<min(end, state.bytes.count)])
    state.unsynced.append(Change(range: offset..<end, old: old))
    put(bytes, at: offset, &state.bytes)
    state.size = max(state.size, end)
  }

  private static func put(_ bytes: ArraySlice<UInt8>, at offset: Int, _ target: inout [UInt8]) {
    if offset > target.count {
      target.append(contentsOf: repeatElement(0, count: offset - target.count))
    }
    let end = min(offset + bytes.count, target.count)
    target.replaceSubrange(offset..<end, with: bytes)
  }

  package func sync() throws(StorageError) {
    try faults.admit()
    let fails = faults.consumeFailedSync()
    if faults.holds(.syncsDoNothing) { return }
    state.withLock { state in
      if fails {
        state.lost += state.unsynced
      } else {
        state.lost.removeAll { lost in
          state.unsynced.contains {
            $0.range.lowerBound <= lost.range.lowerBound
              && $0.range.upperBound >= lost.range.upperBound
          }
        }
      }
      state.unsynced.removeAll(keepingCapacity: true)
    }
    if fails { throw .io("sync: input/output error") }
  }

  /// The file as the disk has it after a loss of power.
  func image(
    _ survival: MemorySurvival, _ random: inout SeededRandom, faults: MemoryLogFaults
  ) -> MemoryFile {
    let (now, durable, ranges, size) = state.withLock { state in
      var durable = state.bytes
      for change in state.unsynced.reversed() { Self.undo(change, &durable) }
      for change in state.lost.reversed() { Self.undo(change, &durable) }
      return (state.bytes, durable, state.unsynced.map(\.range), state.size)
    }
    var image = durable
    switch survival {
    case .nothing: break
    case .everything:
      for range in ranges { Self.put(Self.slice(now, range), at: range.lowerBound, &image) }
    case .prefix:
      let total = ranges.reduce(0) { $0 + $1.count }
      var left = Int(random.below(UInt64(total + 1)))
      for range in ranges {
        let kept = range.lowerBound..<range.lowerBound + min(left, range.count)
        Self.put(Self.slice(now, kept), at: kept.lowerBound, &image)
        left -= kept.count
      }
    case .sectors:
      for range in ranges {
        var start = range.lowerBound
        while start < range.upperBound {
          let end = min((start / 512 + 1) * 512, range.upperBound)
          if random.chance(1, in: 2) {
            Self.put(Self.slice(now, start..<end), at: start, &image)
          }
          start = end
        }
      }
    }
    return MemoryFile(size: size, bytes: image, faults: faults)
  }

  private static func slice(_ bytes: [UInt8], _ range: Range<Int>) -> ArraySlice<UInt8> {
    bytes[min(range.lowerBound, bytes.count)..<min(range.upperBound, bytes.count)]
  }

  private static func undo(_ change: Change, _ bytes: inout [UInt8]) {
    for (i, offset) in change.range.enumerated() where offset < bytes.count {
      bytes[offset] = i < change.old.count ? change.old[i] : 0
    }
  }

  /// Damage on the disk: changes one byte for good.
  func flip(_ mask: UInt8, at offset: Int) {
    state.withLock { state in
      Self.put(
        [Self.slice(state.bytes, offset..<offset + 1).first.map { $0 ^ mask } ?? mask],
        at: offset, &state.bytes)
    }
  }
}

/// A directory in memory that can lose what was not synced, names included.
package final class MemoryDirectory: SegmentDirectory {
  private struct State: Sendable {
    /// The names as they were, at each step since the last sync; the last one is the present.
    var steps: [[String: MemoryFile]] = [[:]]
    var now: [String: MemoryFile] { steps[steps.count - 1] }
  }

  private let state: Locked<State>
  let faults: MemoryLogFaults
  package var path: String { "memory" }

  package convenience init() { self.init([:], MemoryLogFaults()) }

  private init(_ files: [String: MemoryFile], _ faults: MemoryLogFaults) {
    state = Locked(State(steps: [files]))
    self.faults = faults
  }

  /// A disk with these files, all of it durable.
  package convenience init(files: [String: [UInt8]]) {
    let faults = MemoryLogFaults()
    self.init(
      files.mapValues { MemoryFile(size: $0.count, bytes: $0, faults: faults) }, faults)
  }

  /// Every file as it is read now.
  package func contents() throws(StorageError) -> [String: [UInt8]] {
    var contents: [String: [UInt8]] = [:]
    for name in try list() {
      let file = try open(name)
      contents[name] = try file.read(at: 0, count: file.size).array
    }
    return contents
  }

  package func inject(_ fault: MemoryLogFault) { faults.inject(fault) }

  package func list() throws(StorageError) -> [String] {
    state.withLock { $0.now.keys.sorted() }
  }

  package func open(_ name: String) throws(StorageError) -> MemoryFile {
    guard let file = state.withLock({ $0.now[name] }) else { throw .io("open \(name): no file") }
    return file
  }

  package func create(_ name: String, size: Int) throws(StorageError) -> MemoryFile {
    let file = MemoryFile(size: size, faults: faults)
    try change { $0[name] = file }
    return file
  }

  package func rename(_ name: String, to newName: String) throws(StorageError) {
    let file = try open(name)
    try change {
      $0[name] = nil
      $0[newName] = file
    }
  }

  package func remove(_ name: String) throws(StorageError) {
    _ = try open(name)
    try change { $0[name] = nil }
  }

  private func change(
    _ body: (inout [String: MemoryFile]) -> Void
  ) throws(StorageError) {
    try faults.admit()
    state.withLock { state in
      var names = state.now
      body(&names)
      state.steps.append(names)
    }
  }

  package func sync() throws(StorageError) {
    try faults.admit()
    if faults.holds(.directorySyncsDoNothing) { return }
    state.withLock { $0.steps.removeFirst($0.steps.count - 1) }
  }

  /// The directory as the disk has it after a loss of power.
  func image(_ survival: MemorySurvival, _ random: inout SeededRandom) -> MemoryDirectory {
    let steps = state.withLock { $0.steps }
    let names =
      switch survival {
      case .nothing: steps[0]
      case .everything: steps[steps.count - 1]
      case .prefix, .sectors: steps[Int(random.below(UInt64(steps.count)))]
      }
    let faults = MemoryLogFaults()
    var files: [String: MemoryFile] = [:]
    for name in names.keys.sorted() {
      files[name] = names[name]?.image(survival, &random, faults: faults)
    }
    return MemoryDirectory(files, faults)
  }
}
