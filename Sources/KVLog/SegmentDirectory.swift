package import KVBase

/// A file of the log. Reads may come from any thread; all else from one at a time.
package protocol SegmentFile: AnyObject, Sendable {
  /// Bytes in the file.
  var size: Int { get }
  /// Exactly `count` bytes.
  func read(at offset: Int, count: Int) throws(StorageError) -> Bytes
  /// Writes over what is there, or makes the file longer. Not durable before `sync`.
  func write(_ bytes: [UInt8], at offset: Int) throws(StorageError)
  /// Makes the contents durable.
  func sync() throws(StorageError)
}

/// The directory of a log, and all that a log asks of an operating system. The real one is
/// `KVFiles.PosixDirectory`; `MemoryDirectory` can lose what was not synced.
package protocol SegmentDirectory: AnyObject, Sendable {
  associatedtype File: SegmentFile

  /// For messages.
  var path: String { get }
  func list() throws(StorageError) -> [String]
  func open(_ name: String) throws(StorageError) -> File
  /// A file of `size` zero bytes, its contents durable.
  func create(_ name: String, size: Int) throws(StorageError) -> File
  func rename(_ name: String, to newName: String) throws(StorageError)
  func remove(_ name: String) throws(StorageError)
  /// Makes the names durable: what was created, renamed and removed.
  func sync() throws(StorageError)
}

extension SegmentDirectory {
  func path(ofSegment sequence: UInt64) -> String {
    "\(path)/\(LogFormat.segmentName(sequence))"
  }
}
