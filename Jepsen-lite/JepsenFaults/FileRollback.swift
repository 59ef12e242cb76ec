internal import Glibc
internal import KVBase

/// Takes back changes of one file: all of them in reverse, then those that stay, in order, so that
/// what is durable above something that is not comes out right.
struct FileRollback {
  struct Dropped {
    var pending = 0
    var writes = 0
    var bytes = 0
    var torn: String?
  }

  /// What becomes of a change.
  private enum Fate: Equatable {
    case stays
    case lost
    case torn
    case scattered
  }

  private static let sector = 512

  let path: String
  let records: [Journal.Record]
  let mode: PowerLoss.Mode

  func run(_ random: inout SeededRandom) throws(FaultError) -> Dropped {
    let file = try OpenFile(path, O_RDWR)
    var dropped = Dropped()
    dropped.pending = records.count { $0.state != .durable }
    let fates = fates(&random)
    let after = try undo(file)
    for (index, record) in records.enumerated() {
      switch record.change {
      case .write(let offset, _, _, _):
        let piece = Piece(offset: offset, bytes: after[index])
        let kept = try write(piece, fates[index], to: file, &random, &dropped)
        if record.state != .durable, kept < piece.bytes.count {
          dropped.writes += 1
          dropped.bytes += piece.bytes.count - kept
        }
      case .resize(let size, _, _):
        if fates[index] == .stays {
          try file.resize(to: size)
        } else {
          dropped.writes += 1
        }
      case .name: break
      }
    }
    return dropped
  }

  private struct Piece {
    var offset: Int
    var bytes: [UInt8]
    var end: Int { offset + bytes.count }
  }

  private func fates(_ random: inout SeededRandom) -> [Fate] {
    let pending = records.indices.filter { records[$0].state == .pending }
    // As many as are not torn or lost, where the writes are lost from some point on.
    let stay = mode == .tornTail ? Int(random.below(UInt64(pending.count + 1))) : 0
    var fates = records.map { $0.state == .durable ? Fate.stays : .lost }
    for (position, index) in pending.enumerated() {
      switch mode {
      case .loseAll: break
      case .tornTail: if position <= stay { fates[index] = position < stay ? .stays : .torn }
      case .reordered: fates[index] = .scattered
      }
      if case .resize = records[index].change, fates[index] == .torn || fates[index] == .scattered {
        fates[index] = random.chance(1, in: 2) ? .stays : .lost
      }
    }
    return fates
  }

  /// Takes every change back, the last first; what each had written.
  private func undo(_ file: borrowing OpenFile) throws(FaultError) -> [[UInt8]] {
    var after = [[UInt8]](repeating: [], count: records.count)
    for index in records.indices.reversed() {
      switch records[index].change {
      case .write(let offset, let length, let before, let size):
        // A process that died before it wrote has left less.
        after[index] = try file.read(at: offset, count: min(length, max(0, file.size - offset)))
        try file.write(Array(before), at: offset)
        if file.size != size { try file.resize(to: size) }
      case .resize(let size, let before, let oldSize):
        try file.resize(to: oldSize)
        try file.write(Array(before), at: size)
      case .name: break
      }
    }
    return after
  }

  /// Writes what stays of a piece; how many of its bytes that is.
  private func write(
    _ piece: Piece, _ fate: Fate, to file: borrowing OpenFile, _ random: inout SeededRandom,
    _ dropped: inout Dropped
  ) throws(FaultError) -> Int {
    let isLonger = piece.end > file.size
    var kept = 0
    switch fate {
    case .lost: return 0
    case .stays:
      try file.write(piece.bytes, at: piece.offset)
      return piece.bytes.count
    case .torn:
      kept = tear(piece, &random)
      try file.write(Array(piece.bytes[..<kept]), at: piece.offset)
      dropped.torn = "at \(piece.offset), \(kept) of \(piece.bytes.count) bytes"
    case .scattered:
      for part in sectors(of: piece) where random.chance(1, in: 2) {
        try file.write(Array(piece.bytes[part]), at: piece.offset + part.lowerBound)
        kept += part.count
      }
    }
    // The new length may be durable where the bytes are not: then zeros stand there.
    if isLonger, kept < piece.bytes.count, random.chance(1, in: 2), file.size < piece.end {
      try file.resize(to: piece.end)
    }
    return kept
  }

  /// How many bytes of a torn write stay: up to a sector's end, or anywhere.
  private func tear(_ piece: Piece, _ random: inout SeededRandom) -> Int {
    let kept = Int(random.below(UInt64(piece.bytes.count + 1)))
    guard random.chance(1, in: 2) else { return kept }
    return max(0, (piece.offset + kept) / Self.sector * Self.sector - piece.offset)
  }

  private func sectors(of piece: Piece) -> [Range<Int>] {
    var parts: [Range<Int>] = []
    var start = piece.offset
    while start < piece.end {
      let end = min(piece.end, (start / Self.sector + 1) * Self.sector)
      parts.append(start - piece.offset..<end - piece.offset)
      start = end
    }
    return parts
  }
}
