internal import CRocksDB
internal import KVBase

/// The C API reports errors as strings that the caller frees.
enum RocksError {
  /// Calls `body` with a place for an error, and throws what it left there.
  static func check<Value>(
    _ what: StaticString, _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Value
  ) throws(StorageError) -> Value {
    var message: UnsafeMutablePointer<CChar>?
    let value = unsafe body(&message)
    if let text = unsafe take(message) { throw .io("RocksDB \(what): \(text)") }
    return value
  }

  /// The message as a string, its memory freed.
  static func take(_ message: UnsafeMutablePointer<CChar>?) -> String? {
    guard let message = unsafe message else { return nil }
    let text = unsafe String(cString: message)
    unsafe rocksdb_free(message)
    return text
  }

  /// What a read of tier "block cache only" says where it would have to read a file.
  static func isIncomplete(_ text: String) -> Bool { text.hasPrefix("Result incomplete") }
}
