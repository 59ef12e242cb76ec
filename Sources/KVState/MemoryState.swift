package import KVBase

/// Changes for `MemoryState`; keys and values are copied, as RocksDB copies them.
package struct MemoryBatch: StateBatch, Sendable {
  enum Operation: Sendable {
    case put(key: Bytes, value: Bytes)
    case delete(key: Bytes)
    case deleteRange(from: Bytes, to: Bytes)
  }

  private(set) var operations: [Operation] = []

  package init() {}

  package mutating func put(key: Bytes, header: Bytes, value: Bytes) {
    var writer = ByteWriter(capacity: header.count + value.count)
    writer.append(raw: header)
    writer.append(raw: value)
    operations.append(.put(key: key.detached(), value: writer.take()))
  }

  package mutating func delete(key: Bytes) { operations.append(.delete(key: key.detached())) }

  package mutating func deleteRange(from: Bytes, to: Bytes) {
    operations.append(.deleteRange(from: from.detached(), to: to.detached()))
  }

  package mutating func removeAll() { operations.removeAll(keepingCapacity: true) }
  package var isEmpty: Bool { operations.isEmpty }
}

/// The in-memory twin of `KVRocks.RocksStore`, for tests and the simulator.
package final class MemoryState: StateStore, Sendable {
  private struct Contents: Sendable {
    var current = OrderedMap()
    /// What a crash leaves at least.
    var flushed = OrderedMap()
    /// Written since, in order.
    var unflushed: [[MemoryBatch.Operation]] = []
    /// What is on its way to files, with how many of `unflushed` are in it.
    var flushing: (map: OrderedMap, batches: Int)?
    var isUnderPressure = false
    var missesMemory = false
    var failure: StorageError?
  }

  private let contents = Locked(Contents())

  package init() {}

  private init(flushed: OrderedMap) {
    contents.withLock {
      $0.current = flushed
      $0.flushed = flushed
    }
  }

  package func get(_ key: Bytes, tier: ReadTier) throws(StorageError) -> StateLookup {
    contents.withLock { contents in
      if tier == .memory, contents.missesMemory { return .incomplete }
      let map = tier == .persisted ? contents.flushed : contents.current
      return map[key].map(StateLookup.value) ?? .absent
    }
  }

  package func write(_ batch: inout MemoryBatch) throws(StorageError) {
    let operations = batch.operations
    try contents.withLock { (contents) throws(StorageError) in
      if let failure = contents.failure { throw failure }
      contents.current.apply(operations)
      contents.unflushed.append(operations)
    }
  }

  package func mayContain(from: Bytes, to: Bytes, tier: ReadTier) throws(StorageError) -> Bool {
    let (map, misses) = contents.withLock { ($0.current, $0.missesMemory) }
    if tier == .memory, misses { return true }
    var found = false
    map.scan(from: from, to: to, descending: false) { _, _ in
      found = true
      return false
    }
    return found
  }

  package func makeView() throws(StorageError) -> MemoryStateView {
    MemoryStateView(contents.withLock { $0.current })
  }

  package func flush() throws(StorageError) {
    try contents.withLock { (contents) throws(StorageError) in
      if let failure = contents.failure { throw failure }
      contents.flushed = contents.current
      contents.unflushed = []
      contents.flushing = nil
    }
  }

  /// As a test or the simulator sets it.
  package var isUnderPressure: Bool {
    get { contents.withLock { $0.isUnderPressure } }
    set { contents.withLock { $0.isUnderPressure = newValue } }
  }

  package func approximateBytes(from: Bytes, to: Bytes) -> Int {
    var bytes = 0
    contents.withLock { $0.current }.scan(from: from, to: to, descending: false) {
      bytes += $0.count + $1.count
      return true
    }
    return bytes
  }
}

/// What a test or the simulator does to it.
extension MemoryState {
  /// `flush` as it takes time: what was written before `beginFlush` is durable after `endFlush`.
  package func beginFlush() {
    contents.withLock { $0.flushing = ($0.current, $0.unflushed.count) }
  }

  package func endFlush() throws(StorageError) {
    try contents.withLock { (contents) throws(StorageError) in
      if let failure = contents.failure { throw failure }
      guard let (map, batches) = contents.flushing else { return }
      contents.flushed = map
      contents.unflushed.removeFirst(batches)
      contents.flushing = nil
    }
  }

  /// Batches that a crash may lose.
  package var unflushedBatches: Int { contents.withLock { $0.unflushed.count } }

  /// What is found after a crash that kept the oldest `count` of the unflushed batches.
  package func crash(keeping count: Int) -> MemoryState {
    contents.withLock { contents in
      precondition(
        count >= 0 && count <= contents.unflushed.count,
        "crash keeping \(count) of \(contents.unflushed.count) batches")
      var flushed = contents.flushed
      for operations in contents.unflushed[..<count] { flushed.apply(operations) }
      return MemoryState(flushed: flushed)
    }
  }

  /// While true, reads of tier `memory` answer `incomplete`.
  package var missesMemory: Bool {
    get { contents.withLock { $0.missesMemory } }
    set { contents.withLock { $0.missesMemory = newValue } }
  }

  /// From now on, writes and flushes throw this.
  package func fail(with error: StorageError) {
    contents.withLock { $0.failure = error }
  }
}

package final class MemoryStateView: StateView, Sendable {
  private let map: OrderedMap

  init(_ map: OrderedMap) { self.map = map }

  package func get(_ key: Bytes) throws(StorageError) -> Bytes? { map[key] }

  package func scan(
    from: Bytes, to: Bytes, descending: Bool, visit: (_ key: Bytes, _ value: Bytes) -> Bool
  ) throws(StorageError) {
    map.scan(from: from, to: to, descending: descending, visit: visit)
  }
}

extension OrderedMap {
  fileprivate mutating func apply(_ operations: [MemoryBatch.Operation]) {
    for operation in operations {
      switch operation {
      case .put(let key, let value): set(key, to: value)
      case .delete(let key): remove(key)
      case .deleteRange(let from, let to): removeRange(from: from, to: to)
      }
    }
  }
}
