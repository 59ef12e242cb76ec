internal import CXXHash

/// XXH3-64 by Yann Collet, from libxxhash: the checksum of frames, log batches and files, and the
/// hash of the ring.
@usableFromInline
package enum XXH3 {
  @inlinable
  package static func hash(_ bytes: Bytes) -> UInt64 {
    unsafe bytes.withUnsafeBytes { unsafe hash($0) }
  }

  @usableFromInline
  package static func hash(_ buffer: UnsafeRawBufferPointer) -> UInt64 {
    unsafe XXH3_64bits(buffer.baseAddress, buffer.count)
  }

  package static func hash(_ buffer: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    unsafe XXH3_64bits_withSeed(buffer.baseAddress, buffer.count, seed)
  }
}
