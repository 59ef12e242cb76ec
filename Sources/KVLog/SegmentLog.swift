package import KVBase
internal import Synchronization

package struct LogOptions: Sendable {
  /// Size of a segment. A batch that needs more gets a segment of its own size.
  package var segmentBytes: Int
  /// Free segments kept for reuse; more are removed.
  package var keptSpares: Int
  /// From it come the salts of segments: random on a node, given where a run must repeat.
  package var saltSeed: UInt64
  #if PlantedFaults
    package var plantedFault: PlantedFault?
  #endif

  package init(segmentBytes: Int = 16 << 20, keptSpares: Int = 2, saltSeed: UInt64) {
    precondition(
      segmentBytes >= 512 && segmentBytes <= Limits.logBatchBytes && segmentBytes % 8 == 0,
      "segments of \(segmentBytes) bytes")
    precondition(keptSpares >= 1, "\(keptSpares) spare segments")
    self.segmentBytes = segmentBytes
    self.keptSpares = keptSpares
    self.saltSeed = saltSeed
  }
}

/// The node's log over a directory of segments (`LogFormat`), real or in memory: all that decides
/// is here, and the two differ only in their files.
///
/// One lock is for who writes, and is held during I/O. The other is for where entries are, and is
/// never held during I/O, so that `read`, `compact` and `retainedBytes` wait for no sync.
package final class SegmentLog<Directory: SegmentDirectory>: LogStore, Sendable {
  package let recovered: [(group: GroupID, log: RecoveredLog)]
  /// Bytes behind the end of the log that were of its last segment's generation when it was opened:
  /// written and not synced before a crash. They were made zero.
  package let tornTailBytes: Int
  package let directory: Directory
  let identity: LogIdentity
  let options: LogOptions
  let positions: LogPositions<Directory.File>
  private let writer: Mutex<SegmentWriter<Directory>>

  init(
    writer: SegmentWriter<Directory>, recovered: [(group: GroupID, log: RecoveredLog)],
    tornTailBytes: Int
  ) {
    self.recovered = recovered
    self.tornTailBytes = tornTailBytes
    directory = writer.directory
    identity = writer.identity
    options = writer.options
    positions = writer.positions
    self.writer = Mutex(writer)
  }

  package func append(_ records: [LogRecord]) throws(StorageError) {
    try writing { (writer) throws(StorageError) in try writer.append(records) }
  }

  package func sync() throws(StorageError) {
    #if PlantedFaults
      if plantedFault == .skippedSync { return }
      if plantedFault == .failedSyncIgnored {
        return writer.withLock { $0.syncIgnoringFailure() }
      }
    #endif
    try writing { (writer) throws(StorageError) in try writer.sync() }
  }

  #if PlantedFaults
    package var plantedFault: PlantedFault? { options.plantedFault }
  #endif

  /// A failed write or sync is final (fsync-gate, 2018): what the page cache holds says nothing
  /// about the disk from then on, and a second sync would report success.
  private func writing(
    _ body: (inout SegmentWriter<Directory>) throws(StorageError) -> Void
  ) throws(StorageError) {
    do {
      try writer.withLock { (writer) throws(StorageError) in try body(&writer) }
    } catch {
      positions.fail(error)
      throw error
    }
  }

  package func compact(_ group: GroupID, through: LogIndex) throws(StorageError) {
    do {
      try positions.withState { (state) throws(StorageError) in
        try state.compact(group, through: through)
      }
    } catch {
      positions.fail(error)
      throw error
    }
  }

  package var retainedBytes: Int { positions.inspect { $0.retainedBytes() } }

  package var statistics: LogStatistics {
    positions.inspect { state in
      var statistics = state.statistics
      statistics.segments = state.segments.count
      statistics.retainedBytes = state.retainedBytes()
      return statistics
    }
  }

  /// Where the last segment's batches end, and up to where it is durable.
  package var extent: (sequence: UInt64, end: Int, synced: Int) {
    writer.withLock { ($0.active.sequence, $0.active.end, $0.synced) }
  }

  package func read(
    _ group: GroupID, from: LogIndex, through: LogIndex, maxBytes: Int
  ) throws(StorageError) -> [LogEntry] {
    var entries: [LogEntry] = []
    var bytes = 0
    // Found in one step, so that entries which are replaced meanwhile don't mix with the new ones.
    for located in try locate(group, from: from, through: through, maxBytes: maxBytes) {
      for entry in try readEntries(at: located, of: group)
      where entry.index >= from && entry.index <= min(through, located.last) {
        if !entries.isEmpty && bytes + entry.encodedSize > maxBytes { return entries }
        bytes += entry.encodedSize
        entries.append(entry)
      }
      if bytes >= maxBytes { break }
    }
    return entries
  }

  private struct Located: Sendable {
    var place: EntriesPlace
    var last: LogIndex
    var segment: Segment<Directory.File>
  }

  private func locate(
    _ group: GroupID, from: LogIndex, through: LogIndex, maxBytes: Int
  ) throws(StorageError) -> [Located] {
    try positions.withState { (state) throws(StorageError) -> [Located] in
      guard let places = state.groups[group], from > places.baseIndex else { throw .compacted }
      guard from <= through, from <= places.lastIndex, let first = state.segments.first else {
        return []
      }
      return places.find(from: from, through: through, maxBytes: maxBytes).map {
        Located(
          place: $0.place, last: $0.last,
          segment: state.segments[Int(UInt64($0.place.sequence) - first.sequence)])
      }
    }
  }

  private func readEntries(
    at located: Located, of group: GroupID
  ) throws(StorageError) -> [LogEntry] {
    let place = located.place
    let record = try located.segment.file.read(at: Int(place.offset), count: Int(place.length))
    do {
      let entries = try LogRecordCodec.decodeEntries(
        record, of: group, salt: located.segment.salt)
      guard entries.first?.index == place.firstIndex else { throw WireError.invalid("index") }
      return entries
    } catch {
      // The segment may have been recycled since it was looked up.
      try positions.withState { (state) throws(StorageError) in
        guard let places = state.groups[group], places.baseIndex < place.firstIndex else {
          throw .compacted
        }
      }
      let damage = StorageError.damaged(
        "\(directory.path(ofSegment: UInt64(place.sequence))) is damaged: the entries of \(group) "
          + "from \(place.firstIndex) on, at offset \(place.offset), can't be read (\(error)): "
          + "restore this node's disk, or remove the node and add it again")
      positions.fail(damage)
      throw damage
    }
  }
}
