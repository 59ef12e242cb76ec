internal import KVBase

/// Reads a log as a crash may have left it. Nothing is written here, so that a log that is damaged,
/// or not ours, stays as it is, to be looked at and perhaps mended.
struct LogRecovery<Directory: SegmentDirectory> {
  let directory: Directory
  let identity: LogIdentity
  let segmentBytes: Int

  private(set) var groups = LogGroups()
  private(set) var state = LogPositions<Directory.File>.State()
  /// Segment files that are older than what is needed.
  private(set) var leftovers: [String] = []
  private(set) var spares: [String] = []
  private(set) var tornTailBytes = 0
  /// What the last segment holds from what is surely durable up to the log's end.
  private(set) var tail = Bytes()
  /// Something other than zero follows the log's end.
  private(set) var hasRest = false

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
        "\(directory.path) holds no log segment: restore it, or remove the node and add it again "
          + "with an empty data directory")
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
        "\(directory.path): entries of \(group) behind \(log.baseIndex) are missing")
    }
  }

  #if PlantedFaults
    mutating func forgetVotes() { groups.forgetVotes() }
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
      guard case .newerFormat(let version) = fault else { throw damagedHeader(sequence) }
      throw .foreign(
        "\(directory.path) was written in log format \(version), and this build knows format "
          + "\(LogFormat.version): start the newer build again")
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
      sequence: header.sequence, salt: header.salt, file: file,
      capacity: next == nil ? max(file.size, segmentBytes) : file.size,
      end: LogFormat.segmentHeaderSize)
    guard let checkpoint = BatchHeader(at: segment.end, of: bytes, in: header),
      checkpoint.kind == .checkpoint
    else { throw damaged(header, segment.end, "the checkpoint is not valid") }
    try replay(checkpoint, at: segment.end, of: bytes, header)
    segment.end += checkpoint.length
    var synced = segment.end
    let limit = next?.previousEnd ?? bytes.count
    while segment.end < limit, let batch = BatchHeader(at: segment.end, of: bytes, in: header) {
      if batch.kind == .end {
        if next == nil { throw missing(header.sequence + 1) }
        throw damaged(header, segment.end, "the segment ends before \(limit)")
      }
      try replay(batch, at: segment.end, of: bytes, header)
      synced = max(synced, batch.synced)
      segment.end += batch.length
    }
    state.segments.append(segment)
    if next != nil {
      guard segment.end == limit else {
        throw damaged(header, segment.end, "a batch is not valid, and valid ones follow it")
      }
    } else {
      try inspectRest(of: bytes, header, from: segment.end)
      tail = bytes[min(synced, segment.end)..<segment.end]
    }
  }

  /// Tells a torn tail, which ends the log, from damage, which stops the node: see `LogFormat`.
  private mutating func inspectRest(
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
    hasRest = bytes.count < segmentBytes || !bytes[end..<bytes.count].isZero
  }

  private mutating func replay(
    _ batch: BatchHeader, at offset: Int, of bytes: Bytes, _ header: SegmentHeader
  ) throws(StorageError) {
    let body = offset + LogFormat.batchHeaderSize
    var reader = ByteReader(bytes[body..<offset + batch.length])
    var checkpoint = LogGroups()
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
        state.place(
          record, sequence: header.sequence, offset: body + start,
          length: reader.offset - start)
      case .group(let group, let log):
        checkpoint.restore(group, log)
      }
    }
    if batch.kind == .checkpoint { try adopt(checkpoint, at: offset, header) }
  }

  /// A checkpoint must say what the segments before it amount to, but for what was compacted.
  private mutating func adopt(
    _ checkpoint: LogGroups, at offset: Int, _ header: SegmentHeader
  ) throws(StorageError) {
    let sorted = checkpoint.sorted
    if !state.segments.isEmpty {
      for (group, log) in sorted { groups.compact(group, through: log.baseIndex) }
      guard groups == checkpoint else {
        throw damaged(header, offset, "the checkpoint does not follow from the segments before it")
      }
    }
    groups = checkpoint
    for (group, log) in sorted {
      state.restore(group, base: log.baseIndex, last: log.lastIndex)
    }
  }

  // MARK: What is wrong

  private func damaged(
    _ header: SegmentHeader, _ offset: Int, _ what: String
  ) -> StorageError {
    .damaged(
      "\(directory.path(ofSegment: header.sequence)) is damaged at offset \(offset): \(what): "
        + Self.advice)
  }

  private func damagedHeader(_ sequence: UInt64) -> StorageError {
    .damaged(
      "\(directory.path(ofSegment: sequence)) is damaged at offset 0: the header is not valid: "
        + Self.advice)
  }

  private func missing(_ sequence: UInt64) -> StorageError {
    .damaged("\(directory.path(ofSegment: sequence)) is missing: " + Self.advice)
  }

  private static var advice: String {
    "restore this node's disk, or remove the node and add it again with an empty data directory"
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
