package import KVBase

/// What a point read found.
package enum StateLookup: Sendable, Hashable {
  case value(Bytes)
  case absent
  /// The answer is not in memory; ask again with `.all` where waiting for a file is allowed.
  case incomplete
}

package enum ReadTier: Sendable {
  /// What is in memory only: for the loop thread, which waits for no file.
  case memory
  case all
  /// What is in files and survives a crash.
  case persisted
}

/// Changes that take effect together.
package protocol StateBatch {
  init()
  /// The key is `key`; the value is `header` followed by `value` (two parts, so that nobody joins
  /// them before the store does).
  mutating func put(key: Bytes, header: Bytes, value: Bytes)
  mutating func delete(key: Bytes)
  /// Deletes `from` ≤ key < `to`.
  mutating func deleteRange(from: Bytes, to: Bytes)
  mutating func removeAll()
  var isEmpty: Bool { get }
}

/// An ordered map of bytes to bytes, without a log of its own: after a crash it holds the effect of
/// a prefix of the batches that were written, and `flush` moves the end of that prefix.
///
/// The real one is `KVRocks.RocksStore`, its twin in memory `MemoryState`; `StateStoreContract` in
/// the tests runs over both. `read`, `scan` and views may be used by another thread while one
/// thread writes.
package protocol StateStore: AnyObject {
  associatedtype Batch: StateBatch
  associatedtype View: StateView

  func get(_ key: Bytes, tier: ReadTier) throws(StorageError) -> StateLookup
  /// Takes the changes over, all or none. The batch is left as it was.
  func write(_ batch: inout Batch) throws(StorageError)
  /// False where no key is in `from` ≤ key < `to`. Of what is in memory only, where the tier says
  /// so: then true also where files would have to be read in order to know.
  func mayContain(from: Bytes, to: Bytes, tier: ReadTier) throws(StorageError) -> Bool
  /// A view of the state as it is now, unchanged by later writes, until it is released.
  func makeView() throws(StorageError) -> View
  /// Returns when everything written before is durable. Blocks.
  func flush() throws(StorageError)
  /// True while writes would stall or be slowed: proposals must be pushed back until it is false.
  var isUnderPressure: Bool { get }
  /// Approximate bytes of `from` ≤ key < `to`; those not yet in files may be left out.
  func approximateBytes(from: Bytes, to: Bytes) -> Int
}

package protocol StateView: AnyObject {
  func get(_ key: Bytes) throws(StorageError) -> Bytes?
  /// Visits records with `from` ≤ key < `to` in order, or in descending order, until `visit`
  /// answers false.
  func scan(
    from: Bytes, to: Bytes, descending: Bool, visit: (_ key: Bytes, _ value: Bytes) -> Bool
  ) throws(StorageError)
}
