package import KVBase

/// Neighbours of keys in their order, for the bounds of scans.
package enum KeyOrder {
  /// The lowest key above `key`; `nil` where there is none within the limit of length.
  package static func successor(of key: Bytes) -> Bytes? {
    if key.count < Limits.keyBytes { return Bytes(key.array + [0]) }
    return end(ofPrefix: key)
  }

  /// The lowest key above all that begin with `prefix`; `nil` where those are the last.
  package static func end(ofPrefix prefix: Bytes) -> Bytes? {
    var bytes = prefix.array
    while let last = bytes.last {
      if last < 255 {
        bytes[bytes.count - 1] = last + 1
        return Bytes(bytes)
      }
      bytes.removeLast()
    }
    return nil
  }
}
