internal import KVBase

/// Writes a log: encodes batches, begins segments, recycles them. `SegmentLog` says in which order
/// and why.
struct SegmentWriter<Directory: SegmentDirectory>: Sendable {
  struct Spare: Sendable {
    var name: String
    var file: Directory.File
  }

  let directory: Directory
  let identity: LogIdentity
  let options: LogOptions
  let index: RecordIndex<Directory.File>
  var groups: LogGroups
  var active: Segment<Directory.File>
  /// The bytes of the active segment that are durable.
  var synced: Int
  /// Nothing follows the last cover, or the checkpoint that the segment begins with.
  private(set) var isCovered: Bool
  var spares: [Spare]
  var nextSpareNumber: UInt64
  /// Reused from batch to batch.
  private var buffer = ByteWriter(capacity: 64 << 10)
  /// A larger buffer is not kept.
  private static var keptBufferBytes: Int { 4 << 20 }
  private var locations: [(offset: Int, length: Int)] = []

  init(
    directory: Directory, identity: LogIdentity, options: LogOptions,
    index: RecordIndex<Directory.File>, groups: LogGroups,
    active: Segment<Directory.File>, isCovered: Bool, spares: [Spare], nextSpareNumber: UInt64
  ) {
    self.directory = directory
    self.identity = identity
    self.options = options
    self.index = index
    self.groups = groups
    self.active = active
    synced = active.end
    self.isCovered = isCovered
    self.spares = spares
    self.nextSpareNumber = nextSpareNumber
  }

  mutating func append(_ records: [LogRecord]) throws(StorageError) -> LogSpan {
    applyCompactions(try index.withState { $0.collectCompactions() })
    guard !records.isEmpty else {
      return LogSpan(start: active.endPosition, end: active.endPosition)
    }
    var size = LogFormat.batchHeaderSize
    for record in records { size += LogRecordCodec.encodedSize(record) }
    size = LogFormat.aligned(size)
    guard size <= Limits.logBatchBytes else {
      throw .misuse("a batch of \(size) bytes; the limit is \(Limits.logBatchBytes)")
    }
    // A segment always has room for the batch that ends it.
    if active.end + size + LogFormat.batchHeaderSize > active.capacity {
      try beginSegment(room: size)
    }
    // A refused record ends the log, so what was applied before it need not be undone.
    for record in records { try groups.apply(record) }
    encode(records)
    precondition(buffer.count == size, "a batch of \(size) bytes was encoded to \(buffer.count)")
    try active.file.write(buffer.bytes, at: active.end)
    try publish(records)
    let start = active.endPosition + LogFormat.batchHeaderSize
    active.end += size
    isCovered = false
    if buffer.count > Self.keptBufferBytes { buffer = ByteWriter(capacity: 64 << 10) }
    return LogSpan(start: start, end: active.endPosition)
  }

  private mutating func applyCompactions(_ compactions: [(group: GroupID, through: LogIndex)]) {
    for compaction in compactions {
      groups.compact(compaction.group, through: compaction.through)
    }
  }

  private mutating func encode(_ records: [LogRecord]) {
    buffer.removeAll()
    locations.removeAll(keepingCapacity: true)
    BatchHeader.begin(into: &buffer)
    for record in records {
      let start = buffer.count
      LogRecordCodec.encode(record, salt: active.salt, into: &buffer)
      locations.append((start, buffer.count - start))
    }
    BatchHeader.finish(
      from: 0, kind: .records, records: records.count, synced: synced, sequence: active.sequence,
      salt: active.salt, in: &buffer)
  }

  /// From here on readers find what was written.
  private func publish(_ records: [LogRecord]) throws(StorageError) {
    try index.withState { state in
      for i in records.indices {
        state.add(
          records[i], at: active.endPosition + locations[i].offset, length: locations[i].length)
      }
      state.segments[state.segments.count - 1].end += buffer.count
      state.statistics.batches += 1
      state.statistics.bytesWritten += buffer.count
    }
  }

  mutating func sync() throws(StorageError) {
    try index.withState { _ in }
    guard synced < active.end else { return }
    try active.file.sync()
    synced = active.end
    try index.withState { $0.statistics.syncs += 1 }
  }

  /// Closes what was appended with a cover: from then on damage of the last batch is not taken for
  /// a torn tail. Nothing is written where the log ends with a cover already.
  mutating func cover() throws(StorageError) {
    // A cover vouches for what is before it.
    try sync()
    guard !isCovered else { return }
    let half = LogFormat.batchHeaderSize
    let page =
      (active.end + half + LogFormat.pageSize - 1) / LogFormat.pageSize
      * LogFormat.pageSize
    // A segment always has room for the batch that ends it.
    guard page + 2 * half <= active.capacity else { return try beginSegment(room: 0) }
    buffer.removeAll()
    appendCover(length: page - active.end)
    appendCover(length: half)
    try active.file.write(buffer.bytes, at: active.end)
    try active.file.sync()
    active.end += buffer.count
    synced = active.end
    isCovered = true
    try index.withState { state in
      state.segments[state.segments.count - 1].end += buffer.count
      state.statistics.bytesWritten += buffer.count
      state.statistics.syncs += 1
    }
  }

  private mutating func appendCover(length: Int) {
    let start = buffer.count
    BatchHeader.begin(into: &buffer)
    while buffer.count - start < length { buffer.append(UInt64(0)) }
    BatchHeader.finish(
      from: start, kind: .cover, records: 0, synced: synced, sequence: active.sequence,
      salt: active.salt, in: &buffer)
  }

  #if PlantedFaults
    mutating func syncIgnoringFailure() {
      do { try sync() } catch { synced = active.end }
    }
  #endif

  /// Ends the active segment and begins the next, with a checkpoint of all replicas and room for a
  /// batch of `room` bytes; then recycles the segments that no replica needs any more.
  private mutating func beginSegment(room: Int) throws(StorageError) {
    let sequence = active.sequence + 1
    try sync()
    let (compactions, needs) = try index.withState {
      ($0.collectCompactions(), $0.checkpointNeeds())
    }
    applyCompactions(compactions)
    let firstNeeded = needs.oldestSegment ?? sequence
    let header = SegmentHeader(
      identity: identity, sequence: sequence, salt: options.salt(of: sequence),
      begin: active.endPosition, firstNeeded: firstNeeded)
    let begin = header.encoded(with: groups, needs)
    let needed = LogFormat.aligned(begin.count + room + LogFormat.batchHeaderSize)
    let next = try Self.prepare(
      header, begin, capacity: max(options.segmentBytes, needed), from: spare(for: needed),
      in: directory)
    try endActiveSegment()
    try index.withState { state in
      state.segments.append(next)
      state.statistics.segmentsBegun += 1
      state.statistics.bytesWritten += begin.count
      state.statistics.syncs += 1
    }
    active = next
    synced = next.end
    isCovered = true
    try recycle(before: firstNeeded)
  }

  private mutating func spare(for size: Int) throws(StorageError) -> Spare {
    if size <= options.segmentBytes, let spare = spares.popLast() { return spare }
    return try makeSpare(size: max(options.segmentBytes, size))
  }

  private mutating func makeSpare(size: Int) throws(StorageError) -> Spare {
    let name = LogFormat.spareName(nextSpareNumber)
    nextSpareNumber += 1
    return Spare(name: name, file: try directory.create(name, size: size))
  }

  /// Writes a segment's begin into a spare file, makes it durable, and only then names it.
  static func prepare(
    _ header: SegmentHeader, _ begin: [UInt8], capacity: Int, from spare: Spare,
    in directory: Directory
  ) throws(StorageError) -> Segment<Directory.File> {
    try spare.file.write(begin, at: 0)
    try spare.file.sync()
    try directory.rename(spare.name, to: LogFormat.segmentName(header.sequence))
    try directory.sync()
    return Segment(
      sequence: header.sequence, salt: header.salt, begin: header.begin, file: spare.file,
      capacity: capacity, end: begin.count)
  }

  /// Without this mark, a log whose last segment was deleted would look like one that ends here.
  private func endActiveSegment() throws(StorageError) {
    var mark = ByteWriter(capacity: LogFormat.batchHeaderSize)
    BatchHeader.begin(into: &mark)
    BatchHeader.finish(
      from: 0, kind: .end, records: 0, synced: synced, sequence: active.sequence,
      salt: active.salt, in: &mark)
    try active.file.write(mark.bytes, at: active.end)
    try active.file.sync()
  }

  /// Segments before `firstNeeded` become spares, or are removed. The names must be durable before
  /// such a file is written again: else after a crash a segment would have its old name and new
  /// contents.
  private mutating func recycle(before firstNeeded: UInt64) throws(StorageError) {
    let freed = try index.withState { state in
      let freed = state.segments.prefix { $0.sequence < firstNeeded }
      state.segments.removeFirst(freed.count)
      state.statistics.segmentsRecycled += freed.count
      return Array(freed)
    }
    guard !freed.isEmpty else { return }
    var kept: [Spare] = []
    for segment in freed {
      let name = LogFormat.segmentName(segment.sequence)
      if segment.capacity == options.segmentBytes, spares.count + kept.count < options.keptSpares {
        let spare = Spare(name: LogFormat.spareName(nextSpareNumber), file: segment.file)
        nextSpareNumber += 1
        try directory.rename(name, to: spare.name)
        kept.append(spare)
      } else {
        try directory.remove(name)
      }
    }
    try directory.sync()
    spares += kept
  }

  /// At start: removes what is left over and has the next segment's file written beforehand.
  mutating func clear(leftovers: [String]) throws(StorageError) {
    for name in leftovers { try directory.remove(name) }
    if spares.isEmpty { spares.append(try makeSpare(size: options.segmentBytes)) }
    try directory.sync()
  }
}

extension LogOptions {
  func salt(of sequence: UInt64) -> UInt64 {
    var random = SeededRandom(seed: saltSeed &+ sequence &* 0x9E37_79B9_7F4A_7C15)
    return random.next()
  }
}

extension SegmentHeader {
  /// The first bytes of a segment: its header and its checkpoint.
  func encoded(with groups: LogGroups, _ needs: CheckpointNeeds) -> [UInt8] {
    var writer = ByteWriter(capacity: 4096)
    encode(into: &writer)
    let start = writer.count
    BatchHeader.begin(into: &writer)
    let sorted = groups.sorted
    for (group, log) in sorted {
      LogRecordCodec.encode(
        group: group, log, neededFrom: needs.groups[group], into: &writer)
    }
    for partition in needs.partitions {
      LogRecordCodec.encode(partition: partition, into: &writer)
    }
    BatchHeader.finish(
      from: start, kind: .checkpoint, records: sorted.count + needs.partitions.count, synced: 0,
      sequence: sequence, salt: salt, in: &writer)
    return writer.bytes
  }
}
