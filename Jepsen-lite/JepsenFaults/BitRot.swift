internal import Glibc
internal import KVBase

/// Flips bits in the files of a node that does not run, as a disk does that decays.
package struct BitRot: Sendable {
  package struct Flip: Hashable, Sendable, CustomStringConvertible {
    package var file: String
    package var offset: Int
    package var bit: Int
    package var description: String { "\(file) at \(offset), bit \(bit)" }
  }

  /// What was flipped: the proof.
  package let flips: [Flip]
  private let copies: [(file: String, copy: String)]

  /// Flips `bits` bits, each in a file chosen by its length, where that file is not zero: a part
  /// that was never written has nothing to lose. Copies of the files are kept for `restore()`.
  ///
  /// - Parameter pattern: a part of the paths: `/log/`, `.sst`.
  /// - Parameter backup: a folder for the copies, not below `folder`; made anew.
  package static func flip(
    below folder: String, of pattern: String, bits: Int, seed: UInt64, backup: String
  ) throws(FaultError) -> BitRot {
    let files = try Folder.files(below: folder).filter { $0.contains(pattern) }
    return try flip(in: files, bits: bits, seed: seed, backup: backup)
  }

  package static func flip(
    in files: [String], bits: Int, seed: UInt64, backup: String
  ) throws(FaultError) -> BitRot {
    var random = SeededRandom(seed: seed)
    try Folder.empty(backup)
    var flips: [Flip] = []
    var copies: [(file: String, copy: String)] = []
    let positions = try files.map { (path) throws(FaultError) in try WrittenPositions(path) }
    let total = positions.reduce(0) { $0 + $1.count }
    guard total > 0 else { throw FaultError("no bytes to flip in \(files.count) files") }
    for _ in 0..<bits {
      var position = Int(random.below(UInt64(total)))
      var index = 0
      while position >= positions[index].count {
        position -= positions[index].count
        index += 1
      }
      let path = positions[index].path
      if !copies.contains(where: { $0.file == path }) {
        let copy = "\(backup)/\(copies.count)"
        try duplicate(path, to: copy)
        copies.append((path, copy))
      }
      let flip = Flip(file: path, offset: positions[index][position], bit: Int(random.below(8)))
      let file = try OpenFile(path, O_RDWR)
      let bytes = try file.read(at: flip.offset, count: 1)
      guard let byte = bytes.first else { throw FaultError("\(path) became shorter meanwhile") }
      try file.write([byte ^ UInt8(1 << flip.bit)], at: flip.offset)
      flips.append(flip)
    }
    return BitRot(flips: flips, copies: copies)
  }

  /// Puts the files back as they were. Only while the node does not run.
  package func restore() throws(FaultError) {
    for (file, copy) in copies { try Self.duplicate(copy, to: file) }
  }

  private static func duplicate(_ path: String, to copy: String) throws(FaultError) {
    let source = try OpenFile(path, O_RDONLY)
    let target = try OpenFile(copy, O_RDWR | O_CREAT | O_TRUNC)
    var offset = 0
    while true {
      let bytes = try source.read(at: offset, count: 1 << 20)
      if bytes.isEmpty { return }
      try target.write(bytes, at: offset)
      offset += bytes.count
    }
  }
}

/// The bytes of a file in blocks that are not all zero.
private struct WrittenPositions {
  private static let block = 512
  let path: String
  private var blocks: [Range<Int>] = []

  init(_ path: String) throws(FaultError) {
    self.path = path
    let file = try OpenFile(path, O_RDONLY)
    let bytes = try file.read(at: 0, count: file.size)
    var start = 0
    while start < bytes.count {
      let end = min(start + Self.block, bytes.count)
      if bytes[start..<end].contains(where: { $0 != 0 }) { blocks.append(start..<end) }
      start = end
    }
  }

  var count: Int {
    blocks.isEmpty ? 0 : (blocks.count - 1) * Self.block + blocks[blocks.count - 1].count
  }

  subscript(_ position: Int) -> Int {
    blocks[position / Self.block].lowerBound + position % Self.block
  }
}
