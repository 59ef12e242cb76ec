internal import KVBase
internal import KVCommand
internal import KVWire

/// What the parts of multi-gets, scans and ends of sessions have answered so far, in reused slots.
///
/// A multi-get has a part for each group, and more where an answer would be too long; it is done
/// when none is left. A scan merges pages of all partitions, and asks for more parts as it goes. Of
/// ends of sessions there is nothing to gather.
struct Composites: Sendable {
  private enum Progress: Sendable {
    case free
    case gets(records: [Record?], receipts: [Receipt])
    case scan(ScanMerge)
    case ends
  }

  private struct Composite: Sendable {
    var progress: Progress
    /// Parts that run; those that have ended are taken out.
    var parts: [CallRef] = []
  }

  private var slots: [Composite] = []
  private var free: [Int32] = []

  // MARK: Begin and end

  mutating func beginMultiGet(keys: Int) -> Int32 {
    begin(.gets(records: Array(repeating: nil, count: keys), receipts: []))
  }

  mutating func beginScan(_ merge: ScanMerge) -> Int32 { begin(.scan(merge)) }

  mutating func beginEnds() -> Int32 { begin(.ends) }

  private mutating func begin(_ progress: Progress) -> Int32 {
    if let slot = free.popLast() {
      slots[Int(slot)] = Composite(progress: progress)
      return slot
    }
    slots.append(Composite(progress: progress))
    return Int32(slots.count - 1)
  }

  /// The whole has ended. Returns the parts that still run, which nobody wants any more.
  mutating func end(_ slot: Int32) -> [CallRef] {
    let parts = slots[Int(slot)].parts
    slots[Int(slot)] = Composite(progress: .free)
    free.append(slot)
    return parts
  }

  // MARK: Parts

  func partCount(_ slot: Int32) -> Int { slots[Int(slot)].parts.count }

  mutating func add(_ part: CallRef, to slot: Int32) { slots[Int(slot)].parts.append(part) }

  mutating func remove(_ part: CallRef, from slot: Int32) {
    slots[Int(slot)].parts.removeAll { $0 == part }
  }

  // MARK: Multi-get

  /// The answer of one part.
  mutating func receive(
    _ answers: [Record?], at positions: [Int32], _ receipts: [Receipt], for slot: Int32
  ) {
    guard case .gets(var records, var allReceipts) = slots[Int(slot)].progress else {
      preconditionFailure("composite \(slot) is no multi-get")
    }
    // Taken out while it changes, so that the arrays in it are not copied.
    slots[Int(slot)].progress = .free
    for (answer, position) in zip(answers, positions) { records[Int(position)] = answer }
    allReceipts += receipts
    slots[Int(slot)].progress = .gets(records: records, receipts: allReceipts)
  }

  /// What a multi-get has gathered; `nil` for a scan.
  func gathered(_ slot: Int32) -> (records: [Record?], receipts: [Receipt])? {
    guard case .gets(let records, let receipts) = slots[Int(slot)].progress else { return nil }
    return (records, receipts)
  }

  // MARK: Scan

  /// The page, where it is complete.
  func page(_ slot: Int32) -> ScanPage? {
    guard case .scan(let merge) = slots[Int(slot)].progress, merge.isDone else { return nil }
    return merge.page
  }

  /// What the scan needs next; `nil` where it needs nothing now, or has enough in flight.
  mutating func nextRequest(_ slot: Int32) -> (partition: Int, command: ScanCommand)? {
    guard slots[Int(slot)].parts.count < Limits.scanFanOut else { return nil }
    var merge = takeMerge(slot)
    defer { slots[Int(slot)].progress = .scan(merge) }
    return merge.nextRequest()
  }

  /// A page of one partition. False: it is out of order or out of bounds.
  mutating func receive(
    _ records: [ScannedRecord], more: Bool, of partition: Int, for slot: Int32
  ) -> Bool {
    var merge = takeMerge(slot)
    defer { slots[Int(slot)].progress = .scan(merge) }
    return merge.receive(partition: partition, records, more: more)
  }

  /// Taken out while it changes, so that the arrays in it are not copied.
  private mutating func takeMerge(_ slot: Int32) -> ScanMerge {
    guard case .scan(let merge) = slots[Int(slot)].progress else {
      preconditionFailure("composite \(slot) is no scan")
    }
    slots[Int(slot)].progress = .free
    return merge
  }
}
