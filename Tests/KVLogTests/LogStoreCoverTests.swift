import KVBase
import KVFiles
import KVLog
import Testing

/// A log that is left alone says that its last batch was durable: damage of it stops the node, and
/// is not taken for a write that a crash has cut.
@Suite struct LogStoreCover {
  private let group = GroupID(1)
  private let pageBytes = 4096

  /// A log whose last batch is durable, and where that batch is.
  private func makeLog(
    _ kind: LogKind, payload: Int = 5, segmentBytes: Int = 16 << 10
  ) throws -> (log: TestLog, last: Range<Int>) {
    let log = try TestLog.create(kind, segmentBytes: segmentBytes)
    try log.append(.begin(group))
    try log.append(.entries(group, [.test(1)]))
    try log.log.sync()
    let start = log.extent.end
    let value = Bytes([UInt8](repeating: 7, count: payload))
    try log.append(.entries(group, [.test(2, value)]))
    try log.log.sync()
    return (log, start..<log.extent.end)
  }

  private func expectDamage(
    _ log: TestLog, _ image: LogImage, _ what: String
  ) throws {
    let (result, after) = try TestLog.attempt(log.kind, image, options: log.options)
    guard case .failure(.damaged) = result else {
      Issue.record("\(what): \(result)")
      return
    }
    #expect(after == image, "\(what): something was changed")
  }

  @Test(arguments: LogKind.allCases)
  func damageOfTheLastBatchIsFound(kind: LogKind) throws {
    let (log, last) = try makeLog(kind)
    try log.log.cover()
    let image = try log.image
    for offset in last where offset % 5 == 0 {
      var damaged = image
      damaged[log.activeName]?[offset] ^= 0x40
      try expectDamage(log, damaged, "byte \(offset)")
    }
    #expect(try log.reopened().log.recovered.first?.log.lastIndex == LogIndex(2))
  }

  /// Wherever in its page the last batch ends: what says that it was there is in another one too.
  @Test(arguments: LogKind.allCases, [5, 1_000, 3_700, 3_721, 3_729, 3_737, 3_745, 8_200])
  func aPageThatIsLostTakesNoBatchWithItUnseen(kind: LogKind, payload: Int) throws {
    let (log, last) = try makeLog(kind, payload: payload)
    try log.log.cover()
    let image = try log.image
    for page in (last.lowerBound / pageBytes)...((last.upperBound - 1) / pageBytes) {
      for filler: UInt8 in [0, 0xA5] {
        var damaged = image
        // What is before the last batch is guarded in any case.
        for offset in max(page * pageBytes, last.lowerBound)..<((page + 1) * pageBytes) {
          damaged[log.activeName]?[offset] = filler
        }
        try expectDamage(log, damaged, "page \(page)")
      }
    }
  }

  /// What may be torn is the cover itself, and nothing is lost with it.
  @Test(arguments: LogKind.allCases)
  func aTornCoverEndsTheLog(kind: LogKind) throws {
    let (log, last) = try makeLog(kind)
    try log.log.cover()
    let image = try log.image
    let end = log.extent.end
    for cut in Array(last.upperBound..<end).filter({ $0 % 512 == 0 }) + [last.upperBound, end - 8] {
      for filler: UInt8 in [0, 0xA5] {
        var torn = image
        for offset in cut..<end { torn[log.activeName]?[offset] = filler }
        let opened = try TestLog.open(kind, torn, options: log.options)
        #expect(opened.log.recovered.first?.log.lastIndex == LogIndex(2))
        // It is written again, as nobody knows whether it was whole.
        try opened.log.cover()
        let again = try opened.image
        for offset in [last.lowerBound, last.upperBound - 9] {
          var damaged = again
          damaged[log.activeName]?[offset] ^= 1
          try expectDamage(log, damaged, "cut at \(cut), byte \(offset)")
        }
      }
    }
    // Its second page came, and the first did not.
    var reordered = image
    for offset in last.upperBound..<((last.upperBound / pageBytes + 1) * pageBytes) {
      reordered[log.activeName]?[offset] = 0
    }
    let opened = try TestLog.open(kind, reordered, options: log.options)
    #expect(opened.log.recovered.first?.log.lastIndex == LogIndex(2))
    #expect(opened.tornTailBytes > 0)
  }

  @Test(arguments: LogKind.allCases)
  func aCoverIsWrittenOnce(kind: LogKind) throws {
    let (log, _) = try makeLog(kind)
    try log.log.cover()
    let before = try log.image
    let syncs = log.statistics.syncs
    for _ in 0..<3 { try log.log.cover() }
    #expect(try log.image == before)
    #expect(log.statistics.syncs == syncs)
    let opened = try log.reopened()
    try opened.log.cover()
    #expect(opened.extent.end == log.extent.end)
    // The log goes on after it.
    try opened.append(.entries(group, [.test(3)]))
    try opened.log.sync()
    #expect(try opened.reopened().entries(of: group).map(\.index.rawValue) == [1, 2, 3])
  }

  /// A new log has nothing to cover, and one with no room for a cover goes on in the next segment,
  /// which says where the one before it ends.
  @Test(arguments: LogKind.allCases)
  func aSegmentWithoutRoomIsEnded(kind: LogKind) throws {
    let new = try TestLog.create(kind)
    let empty = try new.image
    try new.log.cover()
    #expect(try new.image == empty)
    let (log, last) = try makeLog(kind, segmentBytes: 1024)
    let name = log.activeName
    try log.log.cover()
    #expect(log.activeName != name)
    let image = try log.image
    for offset in last where offset % 5 == 0 {
      var damaged = image
      damaged[name]?[offset] ^= 0x40
      try expectDamage(log, damaged, "byte \(offset)")
    }
    #expect(try log.reopened().entries(of: group).count == 2)
  }
}
