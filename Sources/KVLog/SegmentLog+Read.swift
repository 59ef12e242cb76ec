package import KVBase

/// Reading by index and by position.
extension SegmentLog {
  package func position(
    of group: GroupID, _ index: LogIndex
  ) throws(StorageError) -> LogPosition? {
    try self.index.withState { $0.groups[group]?.position(of: index) }
  }

  package func firstIndex(
    of group: GroupID, at position: LogPosition
  ) throws(StorageError) -> LogIndex? {
    try index.withState { $0.groups[group]?.firstIndex(at: position) }
  }

  package func read(
    _ group: GroupID, from: LogIndex, through: LogIndex, maxBytes: Int
  ) throws(StorageError) -> [LogEntry] {
    while true {
      let found = try locate(group, from: from, through: through, maxBytes: maxBytes)
      if found.isEmpty { return [] }
      let entries = try readEntries(found, of: group, from: from, through: through, maxBytes)
      // Else the first record went meanwhile, since other entries replaced it.
      if !entries.isEmpty { return entries }
    }
  }

  private typealias Found = EntriesLocations.Found
  private typealias File = Directory.File

  /// Found in one step, so that entries which are replaced meanwhile don't mix with the new ones.
  private func locate(
    _ group: GroupID, from: LogIndex, through: LogIndex, maxBytes: Int
  ) throws(StorageError) -> [(Found, Segment<File>)] {
    try index.withState { (state) throws(StorageError) -> [(Found, Segment<File>)] in
      guard let locations = state.groups[group], from > locations.baseIndex else {
        throw .compacted
      }
      guard from <= through, from <= locations.lastIndex else { return [] }
      let found = locations.find(from: from, through: through, maxBytes: maxBytes)
      return try found.map { (found) throws(StorageError) in
        (found, try segment(of: found.location.position, &state, .cp(group)))
      }
    }
  }

  private func readEntries(
    _ found: [(Found, Segment<File>)], of group: GroupID, from: LogIndex, through: LogIndex,
    _ maxBytes: Int
  ) throws(StorageError) -> [LogEntry] {
    var result: [LogEntry] = []
    var bytes = 0
    for (found, segment) in found {
      guard let entries = try readEntries(found, segment, of: group) else { return result }
      for entry in entries where entry.index >= from && entry.index <= min(through, found.last) {
        if !result.isEmpty && bytes + entry.encodedSize > maxBytes { return result }
        bytes += entry.encodedSize
        result.append(entry)
      }
      if bytes >= maxBytes { break }
    }
    return result
  }

  /// `nil` where other entries have replaced these and their segment may have been recycled.
  private func readEntries(
    _ found: Found, _ segment: Segment<File>, of group: GroupID
  ) throws(StorageError) -> [LogEntry]? {
    let location = found.location
    let record = try readRecord(at: location, in: segment)
    if case .success(.entries(group, let entries)) = record,
      entries.first?.index == location.firstIndex
    {
      return entries
    }
    let isCurrent = try index.withState { (state) throws(StorageError) in
      guard let locations = state.groups[group], locations.keptFrom <= location.position else {
        throw .compacted
      }
      return locations.contains(location.position)
    }
    guard isCurrent else { return nil }
    throw damaged(location.position, segment, .cp(group), record)
  }

  // MARK: By position

  package func replay(
    _ replica: LogReplica, from: LogPosition, maxBytes: Int
  ) throws(StorageError) -> LogReplay {
    switch replica {
    case .cp(let group): try replay(group, from: from, maxBytes)
    case .ap(let partition): try replay(partition, from: from, maxBytes)
    }
  }

  private func replay(
    _ group: GroupID, from: LogPosition, _ maxBytes: Int
  ) throws(StorageError) -> LogReplay {
    typealias Located = ([(Found, Segment<File>)], LogPosition?)
    let (found, next) = try index.withState { (state) throws(StorageError) -> Located in
      guard let locations = state.groups[group], locations.keptFrom <= from else {
        throw .compacted
      }
      let (found, next) = locations.find(at: from, maxBytes: maxBytes)
      return (
        try found.map { (found) throws(StorageError) in
          (found, try segment(of: found.location.position, &state, .cp(group)))
        }, next
      )
    }
    var replay = LogReplay(records: [], next: next)
    for (found, segment) in found {
      // What has replaced a record is at a later position.
      guard let entries = try readEntries(found, segment, of: group) else { continue }
      let valid = entries.filter { $0.index >= found.first && $0.index <= found.last }
      replay.records.append(
        PositionedRecord(position: found.location.position, record: .entries(group, valid)))
    }
    return replay
  }

  private func replay(
    _ partition: PartitionID, from: LogPosition, _ maxBytes: Int
  ) throws(StorageError) -> LogReplay {
    typealias Located = ([(DataLocation, Segment<File>)], LogPosition?)
    let (found, next) = try index.withState { (state) throws(StorageError) -> Located in
      guard let locations = state.partitions[partition], locations.releasedBefore <= from else {
        throw .compacted
      }
      let (found, next) = locations.find(at: from, maxBytes: maxBytes)
      return (
        try found.map { (location) throws(StorageError) in
          (location, try segment(of: location.position, &state, .ap(partition)))
        }, next
      )
    }
    var replay = LogReplay(records: [], next: next)
    for (location, segment) in found {
      let result = try readRecord(at: location, in: segment)
      guard case .success(let record) = result, case .data(.ap, partition, _) = record else {
        // The segment may have been recycled since it was looked up.
        try index.withState { (state) throws(StorageError) in
          guard let locations = state.partitions[partition],
            locations.releasedBefore <= location.position
          else { throw .compacted }
        }
        throw damaged(location.position, segment, .ap(partition), result)
      }
      replay.records.append(PositionedRecord(position: location.position, record: record))
    }
    return replay
  }

  // MARK: One record

  /// A record that is needed is in a segment that is in use: this is checked, since nothing else
  /// would find it out before the next start.
  private func segment(
    of position: LogPosition, _ state: inout RecordIndex<File>.State, _ replica: LogReplica
  ) throws(StorageError) -> Segment<File> {
    if let segment = state.segment(at: position) { return segment }
    let damage = StorageError.damaged(
      "\(directory.path): the record of \(replica) at position \(position) is needed, and its "
        + "segment was recycled")
    state.failure = damage
    throw damage
  }

  private func readRecord(
    at location: some RecordLocation, in segment: Segment<File>
  ) throws(StorageError) -> Result<LogRecord, WireError> {
    let bytes = try segment.file.read(
      at: location.position - segment.begin, count: Int(location.length))
    return Result { () throws(WireError) in
      try LogRecordCodec.decode(verifying: bytes, salt: segment.salt)
    }
  }

  private func damaged(
    _ position: LogPosition, _ segment: Segment<File>, _ replica: LogReplica,
    _ found: Result<LogRecord, WireError>
  ) -> StorageError {
    let reason =
      switch found {
      case .success: "another record is there"
      case .failure(let error): "\(error)"
      }
    let damage = StorageError.damaged(
      "\(directory.path(ofSegment: segment.sequence)) is damaged: a record of \(replica) at offset "
        + "\(position - segment.begin) can't be read (\(reason)): " + StorageError.lostDataAdvice)
    index.fail(damage)
    return damage
  }
}
