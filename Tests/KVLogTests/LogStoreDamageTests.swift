import KVBase
import KVFiles
import KVLog
import Testing

/// A torn tail ends the log, and so does what a recycled segment still holds; damage stops the node
/// and nothing is touched (ALICE; Protocol-Aware Recovery, FAST'18).
@Suite struct LogStoreDamage {
  let group = GroupID(1)

  private func batch(_ i: UInt64) -> [LogRecord] {
    [
      .hardState(group, HardState(term: Term(i + 1))),
      .entries(group, [.test(2 * i + 1, term: i + 1), .test(2 * i + 2, term: i + 1)]),
    ]
  }

  /// A log of `batches` batches of a few entries, each synced.
  private func makeLog(
    _ kind: LogKind, batches: UInt64, segmentBytes: Int = 4096
  ) throws -> TestLog {
    let log = try TestLog.create(kind, segmentBytes: segmentBytes)
    try log.append(.begin(group))
    for i in 0..<batches {
      try log.log.append(batch(i))
      try log.log.sync()
    }
    return log
  }

  /// Every place where the last write may have been cut, with nothing, zeros or noise behind it.
  @Test(arguments: LogKind.allCases, ["zeros", "noise", "nothing"])
  func aTornTailEndsTheLogAtEveryByte(kind: LogKind, rest: String) throws {
    let log = try makeLog(kind, batches: 3)
    let durable = log.extent.end
    try log.append(.entries(group, [.test(7, term: 3)]))
    let end = log.extent.end
    let image = try log.image
    let name = log.activeName
    var random = SeededRandom(seed: 1)
    for cut in durable...end {
      var torn = image
      torn[name]?.replaceSubrange(
        cut...,
        with: (cut..<(image[name]?.count ?? 0)).compactMap { _ -> UInt8? in
          switch rest {
          case "zeros": 0
          case "noise": UInt8(truncatingIfNeeded: random.next())
          default: nil
          }
        })
      // Zeros may be what the batch's last bytes are anyway.
      let isWhole = torn[name]?.prefix(end) == image[name]?.prefix(end)
      let opened = try TestLog.open(kind, torn, options: log.options)
      let last = LogIndex(isWhole ? 7 : 6)
      #expect(opened.log.recovered.first?.log.lastIndex == last, "cut at \(cut)")
      if cut >= durable + 24 && !isWhole { #expect(opened.tornTailBytes > 0, "cut at \(cut)") }
      // The torn bytes are gone, and can't be met again behind what is written now.
      let after = try #require(try opened.image[name])
      #expect(after.count == image[name]?.count)
      #expect(after.dropFirst(opened.extent.end).allSatisfy { $0 == 0 }, "cut at \(cut)")
      try opened.append(.entries(group, [.test(7, term: 9, "anew")]))
      try opened.log.sync()
      let again = try opened.reopened()
      #expect(try again.entries(of: group).last == .test(7, term: 9, "anew"))
      #expect(again.tornTailBytes == 0)
    }
  }

  /// Sectors of one unsynced span may reach the disk in any order: a later batch that is there
  /// while an earlier one is not is no damage, as long as neither was acknowledged.
  @Test(arguments: LogKind.allCases)
  func reorderedSectorsOfOneSpanAreATornTail(kind: LogKind) throws {
    let log = try makeLog(kind, batches: 2)
    let start = log.extent.end
    try log.append(.entries(group, [.test(5, term: 2)]))
    let second = log.extent.end
    try log.append(.entries(group, [.test(6, term: 2)]))
    let end = log.extent.end
    var image = try log.image
    for i in start..<second { image[log.activeName]?[i] = 0 }
    let opened = try TestLog.open(kind, image, options: log.options)
    #expect(opened.log.recovered.first?.log.lastIndex == LogIndex(4))
    #expect(opened.tornTailBytes == end - start)
    // The same batches, but the first one was durable when the second was written.
    let other = try makeLog(kind, batches: 2)
    try other.append(.entries(group, [.test(5, term: 2)]))
    try other.log.sync()
    try other.append(.entries(group, [.test(6, term: 2)]))
    image = try other.image
    for i in start..<second { image[other.activeName]?[i] = 0 }
    try expectDamage(kind, image, other.options, "\(start)")
  }

  private func expectDamage(
    _ kind: LogKind, _ image: LogImage, _ options: LogOptions, _ mention: String
  ) throws {
    let (result, after) = try TestLog.attempt(kind, image, options: options)
    guard case .failure(.damaged(let text)) = result else {
      Issue.record("\(mention): \(result)")
      return
    }
    #expect(text.contains(mention), "\(text)")
    #expect(after == image, "\(text): something was changed")
  }

  @Test(arguments: LogKind.allCases)
  func damageInTheMiddleStopsTheNodeAndTouchesNothing(kind: LogKind) throws {
    let log = try makeLog(kind, batches: 60, segmentBytes: 1024)
    // Damage to the last batch of all can't be told from a torn tail.
    let lastBatch = LogFormat.aligned(
      LogFormat.batchHeaderSize + batch(59).map(LogRecordCodec.encodedSize).reduce(0, +))
    let image = try log.image
    let active = log.activeName
    let segments = image.keys.filter { LogFormat.sequence(ofSegment: $0) != nil }.sorted()
    #expect(segments.count > 5)
    var random = SeededRandom(seed: 2)
    for _ in 0..<300 {
      let name = segments[Int(random.below(UInt64(segments.count)))]
      let end =
        name == active
        ? log.extent.end - lastBatch : try endOfBatches(image, name, segments, log.extent.end)
      let offset = Int(random.below(UInt64(end)))
      var damaged = image
      damaged[name]?[offset] ^= UInt8(1 + random.below(255))
      try expectDamage(kind, damaged, log.options, name)
    }
  }

  private func endOfBatches(
    _ image: LogImage, _ name: String, _ segments: [String], _ lastEnd: Int
  ) throws -> Int {
    guard let i = segments.firstIndex(of: name), i + 1 < segments.count else { return lastEnd }
    let header = try SegmentHeader(Bytes(image[name] ?? []))
    return try SegmentHeader(Bytes(image[segments[i + 1]] ?? [])).begin - header.begin
  }

  @Test(arguments: LogKind.allCases)
  func aMissingSegmentIsDamage(kind: LogKind) throws {
    let log = try makeLog(kind, batches: 40, segmentBytes: 1024)
    let image = try log.image
    let segments = image.keys.filter { LogFormat.sequence(ofSegment: $0) != nil }.sorted()
    for name in segments {
      var damaged = image
      damaged[name] = nil
      try expectDamage(kind, damaged, log.options, name)
    }
    try expectDamage(kind, [:], log.options, "holds no log segment")
    // One that took the place of another.
    var swapped = image
    swapped[segments[1]] = image[segments[2]]
    try expectDamage(kind, swapped, log.options, segments[1])
  }

  /// A client's value that is the very bytes of a log can't pass for a batch behind a torn one.
  @Test(arguments: LogKind.allCases)
  func aValueThatHoldsABatchIsNotTakenForOne(kind: LogKind) throws {
    let log = try makeLog(kind, batches: 2)
    let start = log.extent.end
    // A batch as this segment would hold it, made by someone who does not know the salt.
    var forged = ByteWriter()
    BatchHeader.begin(into: &forged)
    BatchHeader.finish(
      from: 0, kind: .records, records: 0, synced: start + 8, sequence: log.extent.sequence,
      salt: 0, in: &forged)
    for padding in 0..<8 {
      let other = try makeLog(kind, batches: 2)
      let value = [UInt8](repeating: 1, count: padding) + forged.bytes + [1, 2, 3]
      try other.append(.entries(group, [.test(5, term: 2, Bytes(value))]))
      var image = try other.image
      image[other.activeName]?[start] ^= 0xFF
      let opened = try TestLog.open(kind, image, options: other.options)
      #expect(opened.log.recovered.first?.log.lastIndex == LogIndex(4))
    }
  }

  @Test(arguments: LogKind.allCases)
  func staleBatchesOfARecycledSegmentEndTheLog(kind: LogKind) throws {
    let log = try TestLog.create(kind, segmentBytes: 1024)
    try log.append(.begin(group))
    var index: UInt64 = 0
    var stale = 0
    while log.statistics.segmentsRecycled < 12 {
      index += 1
      try log.append(.entries(group, [.test(index)]))
      try log.log.sync()
      try log.log.compact(group, through: LogIndex(index - 1))
      let image = try log.image
      let rest = image[log.activeName]?.dropFirst(log.extent.end) ?? []
      if rest.contains(where: { $0 != 0 }) { stale += 1 }
      let opened = try TestLog.open(kind, image, options: log.options)
      #expect(opened.log.recovered.first?.log.lastIndex == LogIndex(index))
      #expect(opened.tornTailBytes == 0)
    }
    // Else nothing was shown.
    #expect(stale > 20)
  }

  @Test(arguments: LogKind.allCases)
  func damageFoundByAReadIsFinal(kind: LogKind) throws {
    let log = try makeLog(kind, batches: 8)
    switch log.store {
    case .real(_, let directory):
      var image = try directory.contents
      for i in 600..<700 { image[log.activeName]?[i] ^= 0x55 }
      try directory.write(image)
    case .memory(let memory):
      for i in 600..<700 { try memory.damage(at: i - LogFormat.segmentHeaderSize, mask: 0x55) }
    }
    let error = try #require(throws: StorageError.self) {
      try log.log.read(group, from: LogIndex(1), through: LogIndex(99), maxBytes: .max)
    }
    guard case .damaged(let text) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(text.contains(log.activeName))
    #expect(throws: error) { try log.log.sync() }
  }

  /// A log as format 1 wrote it: a header, an empty checkpoint, and a batch with one reset.
  private static func imageOfFormat1() throws -> LogImage {
    let written = """
      4b564c4f4753454700010000000000030000000000c0ffee000000000000000161ab506892312f40\
      000000000000000000000000000000013bb70db50276d852a200f1bdead418ae0000002000000000\
      00000000000000010000000002000000f45d706853a816a900000068000000600000000000000001\
      00000002010000000300000001000000010000000000000000000000000000000001000000010000\
      00000000000100000000000000000100000001000000000000000101000000000000000100000000
      """
    let bytes = try #require([UInt8](hexadecimal: written))
    return [LogFormat.segmentName(1): bytes + [UInt8](repeating: 0, count: 512 - bytes.count)]
  }

  @Test(arguments: LogKind.allCases)
  func aForeignLogIsRefusedUntouched(kind: LogKind) throws {
    let log = try makeLog(kind, batches: 3)
    let image = try log.image
    var newer = image
    var writer = ByteWriter()
    writer.append(raw: Array((image[log.activeName] ?? []).prefix(56)))
    writer.overwrite(UInt16(9), at: 8)
    writer.append(writer.checksum(from: 0))
    newer[log.activeName]?.replaceSubrange(0..<64, with: writer.bytes)
    let cases: [(LogImage, NodeID, UInt64, String)] = [
      (image, NodeID(4), TestLog.digest, "is the log of node n3, and this is node n4"),
      (image, TestLog.node, 1, "another cluster"),
      (
        newer, TestLog.node, TestLog.digest,
        "log format 9 by a newer build, and this build reads format 3: start the newer build again"
      ),
      (
        try Self.imageOfFormat1(), TestLog.node, TestLog.digest,
        "log format 1 by an older build, and this build reads format 3 only: start the older build"
      ),
    ]
    for (image, node, digest, mention) in cases {
      let (result, after) = try TestLog.attempt(
        kind, image, options: log.options, node: node, digest: digest)
      guard case .failure(.foreign(let text)) = result else {
        Issue.record("\(mention): \(result)")
        continue
      }
      #expect(text.contains(mention), "\(text)")
      #expect(after == image)
    }
  }
}
