import KVBase
import KVState
import Testing

/// A flush takes time, in the twin too.
@Suite struct MemoryFlushTests {
  private func write(_ key: String, to store: MemoryState) throws {
    var batch = MemoryBatch()
    batch.put(key: Bytes(key), header: Bytes(), value: Bytes(key))
    try store.write(&batch)
  }

  private func found(_ key: String, in store: MemoryState) throws -> Bool {
    try store.get(Bytes(key), tier: .persisted) != .absent
  }

  /// What is written meanwhile is not part of it, and what was written before is lost with a crash
  /// until it has ended.
  @Test func aFlushHoldsWhatWasWrittenBeforeItBegan() throws {
    let store = MemoryState()
    try write("a", to: store)
    store.beginFlush()
    try write("b", to: store)
    #expect(store.unflushedBatches == 2)
    #expect(try !found("a", in: store))
    let crashed = store.crash(keeping: 0)
    #expect(try !found("a", in: crashed))
    try store.endFlush()
    #expect(store.unflushedBatches == 1)
    #expect(try found("a", in: store) && !found("b", in: store))
    let later = store.crash(keeping: 0)
    #expect(try found("a", in: later) && !found("b", in: later))
    try store.flush()
    #expect(try found("b", in: store.crash(keeping: 0)))
  }
}
