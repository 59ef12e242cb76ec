internal import KVBase

/// The one who writes a log.
struct SegmentWriter<Directory: SegmentDirectory>: Sendable {
  struct Spare: Sendable {
    var name: String
    var file: Directory.File
  }

  let directory: Directory
  let identity: LogIdentity
  let options: LogOptions
  let positions: LogPositions<Directory.File>
  var groups: LogGroups
  var active: Segment<Directory.File>
  /// The bytes of the active segment that are durable.
  var synced: Int
  var spares: [Spare]
  var nextSpareNumber: UInt64
  /// Reused from batch to batch.
  private var buffer = ByteWriter(capacity: 64 << 10)
  private var places: [(offset: Int, length: Int)] = []

  init(
    directory: Directory, identity: LogIdentity, options: LogOptions,
    positions: LogPositions<Directory.File>, groups: LogGroups,
    active: Segment<Directory.File>, spares: [Spare], nextSpareNumber: UInt64
  ) {
    self.directory = directory
    self.identity = identity
    self.options = options
    self.positions = positions
    self.groups = groups
    self.active = active
    synced = active.end
    self.spares = spares
    self.nextSpareNumber = nextSpareNumber
  }

  mutating func append(_ records: [LogRecord]) throws(StorageError) {
    _ = try takeCompactions()
    guard !records.isEmpty else { return }
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
    precondition(buffer.count == size, "a batch of \(size) bytes took \(buffer.count)")
    try active.file.write(buffer.bytes, at: active.end)
    try publish(records)
    active.end += size
    if buffer.count > 4 << 20 { buffer = ByteWriter(capacity: 64 << 10) }
  }

  /// Learns what was compacted, and which is the oldest segment needed: in one step, so that a
  /// checkpoint never speaks of entries in segments that are let go with it.
  private mutating func takeCompactions() throws(StorageError) -> UInt64? {
    let (compactions, oldestNeeded) = try positions.withState { state in
      defer { if !state.compactions.isEmpty { state.compactions = [] } }
      return (state.compactions, state.findOldestNeeded())
    }
    for compaction in compactions {
      groups.compact(compaction.group, through: compaction.through)
    }
    return oldestNeeded
  }

  private mutating func encode(_ records: [LogRecord]) {
    buffer.removeAll()
    places.removeAll(keepingCapacity: true)
    BatchHeader.begin(into: &buffer)
    for record in records {
      let start = buffer.count
      LogRecordCodec.encode(record, salt: active.salt, into: &buffer)
      places.append((start, buffer.count - start))
    }
    BatchHeader.finish(
      from: 0, kind: .records, records: records.count, synced: synced, sequence: active.sequence,
      salt: active.salt, in: &buffer)
  }

  /// From here on readers find what was written.
  private func publish(_ records: [LogRecord]) throws(StorageError) {
    try positions.withState { state in
      for i in records.indices {
        state.place(
          records[i], sequence: active.sequence, offset: active.end + places[i].offset,
          length: places[i].length)
      }
      state.segments[state.segments.count - 1].end += buffer.count
      state.statistics.batches += 1
      state.statistics.bytesWritten += buffer.count
    }
  }

  mutating func sync() throws(StorageError) {
    try positions.withState { _ in }
    guard synced < active.end else { return }
    try active.file.sync()
    synced = active.end
    try positions.withState { $0.statistics.syncs += 1 }
  }

  #if PlantedFaults
    mutating func syncIgnoringFailure() {
      do { try sync() } catch { synced = active.end }
    }
  #endif

  /// Ends the active segment and begins the next, with a checkpoint of all groups and room for a
  /// batch of `room` bytes; then recycles the segments that nothing needs any more.
  ///
  /// At every moment a crash leaves either the old segment as the last one, or the whole new one
  /// with a complete old one before it: the old one is durable before the new one has its name, and
  /// says that there is a next one only when that is so.
  private mutating func beginSegment(room: Int) throws(StorageError) {
    let sequence = active.sequence + 1
    precondition(sequence <= UInt64(UInt32.max), "segment \(sequence)")
    try sync()
    let oldestNeeded = try takeCompactions() ?? sequence
    let header = SegmentHeader(
      identity: identity, sequence: sequence, salt: options.salt(of: sequence),
      previousEnd: active.end, firstNeeded: oldestNeeded)
    let begin = header.begin(with: groups)
    let needed = LogFormat.aligned(begin.count + room + LogFormat.batchHeaderSize)
    let next = try Self.prepare(
      header, begin, capacity: max(options.segmentBytes, needed), from: takeSpare(for: needed),
      in: directory)
    try endActiveSegment()
    try positions.withState { state in
      state.segments.append(next)
      state.statistics.segmentsBegun += 1
      state.statistics.bytesWritten += begin.count
      state.statistics.syncs += 1
    }
    active = next
    synced = next.end
    try recycle(before: oldestNeeded)
  }

  private mutating func takeSpare(for size: Int) throws(StorageError) -> Spare {
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
      sequence: header.sequence, salt: header.salt, file: spare.file, capacity: capacity,
      end: begin.count)
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

  /// Segments before `oldestNeeded` become spares, or go. The names must be durable before such a
  /// file is written again: else after a crash a segment would have its old name and new contents.
  private mutating func recycle(before oldestNeeded: UInt64) throws(StorageError) {
    let freed = try positions.withState { state in
      let freed = state.segments.prefix { $0.sequence < oldestNeeded }
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
  mutating func settle(leftovers: [String]) throws(StorageError) {
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
  func begin(with groups: LogGroups) -> [UInt8] {
    var writer = ByteWriter(capacity: 4096)
    encode(into: &writer)
    let start = writer.count
    BatchHeader.begin(into: &writer)
    let sorted = groups.sorted
    for (group, log) in sorted { LogRecordCodec.encode(group: group, log, into: &writer) }
    BatchHeader.finish(
      from: start, kind: .checkpoint, records: sorted.count, synced: 0, sequence: sequence,
      salt: salt, in: &writer)
    return writer.bytes
  }
}
