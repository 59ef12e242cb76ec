internal import KVBase

/// Reads a log as a crash may have left it. Nothing is written here, so that a log that is damaged,
/// or not ours, stays as it is, to be looked at and perhaps mended.
///
/// First the headers: that of the last segment says which is the oldest one needed, and those from
/// there on must be present without a gap. Then the batches, segment by segment: each record is
/// applied by the rules that the writer kept (`LogGroups`) and its location noted (`RecordIndex`).
/// Each checkpoint replaces what the segments before it amount to, and must agree with it; the last
/// one also says from where on each replica needs its records, all of which must have been found.
struct LogRecovery<Directory: SegmentDirectory> {
  let directory: Directory
  let identity: LogIdentity
  let segmentBytes: Int

  private(set) var groups = LogGroups()
  private(set) var state = RecordIndex<Directory.File>.State()
  /// Segment files that are older than what is needed.
  private(set) var leftovers: [String] = []
  private(set) var spares: [String] = []
  private(set) var tornTailBytes = 0
  /// What the last segment holds from what is surely durable up to the log's end.
  private(set) var tail = Bytes()
  /// The last segment ends with a whole cover, or has nothing but its checkpoint.
  private(set) var isCovered = true
  /// Something other than zero follows the log's end, or the file is too short.
  private(set) var mustClear = false

  init(directory: Directory, identity: LogIdentity, segmentBytes: Int) {
    self.directory = directory
    self.identity = identity
    self.segmentBytes = segmentBytes
  }

  mutating func run() throws(StorageError) {
    let names = try directory.list()
    spares = names.filter { LogFormat.number(ofSpare: $0) != nil }.sorted()
    let present = names.compactMap { LogFormat.sequence(ofSegment: $0) }.sorted()
    guard let last = present.last else {
      throw .damaged(
        "\(directory.path) holds no log segment: " + StorageError.lostDataAdvice)
    }
    let lastFile = try open(last)
    guard lastFile.header.firstNeeded <= last else { throw damagedHeader(last) }
    leftovers = present.prefix { $0 < lastFile.header.firstNeeded }
      .map(LogFormat.segmentName)
    let needed = Array(present.dropFirst(leftovers.count))
    var expected = lastFile.header.firstNeeded
    var files: [(file: Directory.File, header: SegmentHeader)] = []
    for sequence in needed {
      guard sequence == expected else { throw missing(expected) }
      files.append(sequence == last ? lastFile : try open(sequence))
      expected += 1
    }
    for i in files.indices {
      try scan(files[i], next: i + 1 < files.count ? files[i + 1].header : nil)
    }
    for (group, log) in groups.sorted where state.groups[group]?.isComplete != true {
      throw .damaged(
        "\(directory.path): entries of \(group) after \(log.baseIndex) are missing: "
          + StorageError.lostDataAdvice)
    }
  }

  #if PlantedFaults
    mutating func forgetVotes() { groups.forgetVotes() }
    mutating func plant(_ fault: PlantedFault?) { state.plantedFault = fault }
  #endif

  private func open(
    _ sequence: UInt64
  ) throws(StorageError) -> (file: Directory.File, header: SegmentHeader) {
    let file = try directory.open(LogFormat.segmentName(sequence))
    let header: SegmentHeader
    do {
      header = try SegmentHeader(
        try file.read(at: 0, count: min(file.size, LogFormat.segmentHeaderSize)))
    } catch let fault as SegmentHeader.Fault {
      guard case .otherFormat(let version) = fault else { throw damagedHeader(sequence) }
      throw otherFormat(version)
    } catch let error as StorageError {
      throw error
    } catch {
      throw damagedHeader(sequence)
    }
    guard header.identity.node == identity.node else {
      throw .foreign(
        "\(directory.path) is the log of node \(header.identity.node), and this is node "
          + "\(identity.node): give another --data-dir or --id")
    }
    guard header.identity.creationDigest == identity.creationDigest else {
      throw .foreign(
        "\(directory.path) belongs to another cluster, or to one created with other --peers ids, "
          + "--partitions, --replication or --mode: give another --data-dir, or those flags as "
          + "they were")
    }
    guard header.sequence == sequence else { throw damagedHeader(sequence) }
    return (file, header)
  }

  // MARK: One segment

  private mutating func scan(
    _ opened: (file: Directory.File, header: SegmentHeader), next: SegmentHeader?
  ) throws(StorageError) {
    let (file, header) = opened
    let bytes = try file.read(at: 0, count: file.size)
    var segment = Segment(
      sequence: header.sequence, salt: header.salt, begin: header.begin, file: file,
      capacity: next == nil ? max(file.size, segmentBytes) : file.size,
      end: LogFormat.segmentHeaderSize)
    guard let checkpoint = BatchHeader(at: segment.end, of: bytes, in: header),
      checkpoint.kind == .checkpoint
    else { throw damaged(header, segment.end, "the checkpoint is not valid") }
    try replay(checkpoint, at: segment.end, of: bytes, header, isLast: next == nil)
    segment.end += checkpoint.length
    var synced = segment.end
    isCovered = true
    var halves = 0
    let limit = next.map { $0.begin - header.begin } ?? bytes.count
    while segment.end < limit, let batch = BatchHeader(at: segment.end, of: bytes, in: header) {
      if batch.kind == .end {
        if next == nil { throw missing(header.sequence + 1) }
        throw damaged(header, segment.end, "the segment ends before \(limit)")
      }
      switch batch.kind {
      case .records:
        try replay(batch, at: segment.end, of: bytes, header, isLast: next == nil)
        halves = 0
      case .cover: halves += 1
      case .checkpoint, .end:
        throw damaged(header, segment.end, "a checkpoint is not at the segment's begin")
      }
      isCovered = halves >= 2
      synced = max(synced, batch.synced)
      segment.end += batch.length
    }
    state.segments.append(segment)
    if next != nil {
      guard segment.end == limit else {
        throw damaged(header, segment.end, "a batch is not valid, and valid ones follow it")
      }
    } else {
      try inspectTail(of: bytes, header, from: segment.end)
      tail = bytes[min(synced, segment.end)..<segment.end]
    }
  }

  /// Tells a torn tail, which ends the log, from damage, which stops the node: see `LogFormat`.
  private mutating func inspectTail(
    of bytes: Bytes, _ header: SegmentHeader, from end: Int
  ) throws(StorageError) {
    var offset = end
    // As far as a batch's sequence number can be read, should the file end early.
    while offset + 24 <= bytes.count {
      if bytes.load(UInt64.self, at: offset + 16) == header.sequence {
        if let batch = BatchHeader(at: offset, of: bytes, in: header) {
          if batch.synced > end {
            throw damaged(
              header, end, "a batch is not valid, and a valid one follows it at offset \(offset)")
          }
          tornTailBytes = offset + batch.length - end
        } else if offset == end {
          let announced = Int(bytes.load(UInt32.self, at: offset + 8))
          tornTailBytes = min(max(announced, LogFormat.batchHeaderSize), bytes.count - offset)
        }
      }
      offset += LogFormat.alignment
    }
    mustClear = bytes.count < segmentBytes || !bytes[end..<bytes.count].isZero
  }

  private mutating func replay(
    _ batch: BatchHeader, at offset: Int, of bytes: Bytes, _ header: SegmentHeader, isLast: Bool
  ) throws(StorageError) {
    let body = offset + LogFormat.batchHeaderSize
    var reader = ByteReader(bytes[body..<offset + batch.length])
    var checkpoint = Checkpoint()
    for _ in 0..<batch.records {
      let start = reader.offset
      let decoded: LogRecordCodec.Decoded
      do {
        decoded = try LogRecordCodec.decode(from: &reader)
      } catch {
        throw damaged(header, body + start, "a record has no meaning (\(error))")
      }
      switch decoded {
      case .record(let record):
        do {
          try groups.apply(record)
        } catch {
          throw damaged(header, body + start, "a record does not fit (\(error))")
        }
        state.add(record, at: header.begin + body + start, length: reader.offset - start)
      case .group(let group, let log, let neededFrom):
        checkpoint.groups.restore(group, log)
        checkpoint.neededFrom[group] = neededFrom
      case .partition(let partition): checkpoint.partitions.append(partition)
      }
    }
    guard batch.kind == .checkpoint else { return }
    do throws(Disagreement) {
      try adopt(checkpoint, header, isLast: isLast)
    } catch {
      throw damaged(header, offset, error.description)
    }
  }

  // MARK: Checkpoints

  private struct Checkpoint {
    var groups = LogGroups()
    var neededFrom: [GroupID: LogPosition] = [:]
    var partitions: [RecoveredPartition] = []
  }

  private enum Disagreement: Error {
    case withSegmentsBefore
    case missing(LogReplica, from: LogPosition)

    var description: String {
      switch self {
      case .withSegmentsBefore:
        "the checkpoint does not follow from the segments before it"
      case .missing(let replica, let position):
        "the records of \(replica) are needed from position \(position) on, and are not there"
      }
    }
  }

  /// A checkpoint must say what the segments before it amount to, but for what was compacted and
  /// released.
  private mutating func adopt(
    _ checkpoint: Checkpoint, _ header: SegmentHeader, isLast: Bool
  ) throws(Disagreement) {
    let sorted = checkpoint.groups.sorted
    if !state.segments.isEmpty {
      for (group, log) in sorted { groups.compact(group, through: log.baseIndex) }
      guard groups == checkpoint.groups,
        state.sortedPartitions.map(\.partition) == checkpoint.partitions.map(\.partition)
      else { throw .withSegmentsBefore }
    }
    groups = checkpoint.groups
    for (group, log) in sorted {
      let neededFrom = checkpoint.neededFrom[group]
      state.restore(
        group, base: log.baseIndex, last: log.lastIndex, neededFrom: neededFrom,
        checkpoint: header.begin)
      try compare(.cp(group), neededFrom, header, isLast: isLast)
    }
    for partition in checkpoint.partitions {
      state.restore(partition.partition, releasedBefore: partition.releasedBefore)
      try compare(.ap(partition.partition), partition.neededFrom, header, isLast: isLast)
    }
  }

  /// The first record that a replica needed, by the checkpoint, must be the first one found. An
  /// earlier checkpoint may speak of segments that have been recycled since; the last one may not.
  private func compare(
    _ replica: LogReplica, _ neededFrom: LogPosition?, _ header: SegmentHeader, isLast: Bool
  ) throws(Disagreement) {
    if let neededFrom, neededFrom < state.segments.first?.begin ?? header.begin {
      if isLast { throw .missing(replica, from: neededFrom) }
    } else if state.retention(of: replica)?.neededFrom != neededFrom {
      throw neededFrom.map { .missing(replica, from: $0) } ?? .withSegmentsBefore
    }
  }

  // MARK: What is wrong

  private func damaged(
    _ header: SegmentHeader, _ offset: Int, _ what: String
  ) -> StorageError {
    .damaged(
      "\(directory.path(ofSegment: header.sequence)) is damaged at offset \(offset): \(what): "
        + StorageError.lostDataAdvice)
  }

  private func damagedHeader(_ sequence: UInt64) -> StorageError {
    .damaged(
      "\(directory.path(ofSegment: sequence)) is damaged at offset 0: the header is not valid: "
        + StorageError.lostDataAdvice)
  }

  private func otherFormat(_ version: UInt16) -> StorageError {
    .foreign(
      version > LogFormat.version
        ? "\(directory.path) was written in log format \(version) by a newer build, and this "
          + "build reads format \(LogFormat.version): start the newer build again"
        : "\(directory.path) was written in log format \(version) by an older build, and this "
          + "build reads format \(LogFormat.version) only: start the older build again. "
          + StorageError.otherFormatAdvice)
  }

  private func missing(_ sequence: UInt64) -> StorageError {
    .damaged("\(directory.path(ofSegment: sequence)) is missing: " + StorageError.lostDataAdvice)
  }

}

extension Bytes {
  fileprivate var isZero: Bool {
    // Chunks, so that a fresh segment is compared and not visited byte by byte.
    let zeros = Bytes([UInt8](repeating: 0, count: min(count, 64 << 10)))
    var offset = 0
    while offset < count {
      let length = min(zeros.count, count - offset)
      if self[offset..<offset + length] != zeros[0..<length] { return false }
      offset += length
    }
    return true
  }
}
