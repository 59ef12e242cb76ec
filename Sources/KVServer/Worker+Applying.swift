internal import KVBase
internal import KVLoop
internal import KVNodeCore
internal import KVState

/// Applying: on the loop as far as memory goes. Entries that need records of files wait, with those
/// of their group after them, until other threads have read those (`ParkedApply`).
extension Worker {
  func apply(_ requests: [ApplyRequest]) {
    orStop { () throws(StorageError) in
      let outcome = try machines.value.applyInMemory(requests)
      if !outcome.results.isEmpty { give(.applied(outcome.results)) }
      for parked in outcome.parked { lookups.append(parked) }
    }
    beginLookups()
  }

  private func beginLookups() {
    while let parked = lookups.next() {
      for keys in parked.parts { lookUp(keys, for: parked.request.group) }
    }
  }

  private func lookUp(_ keys: ArraySlice<Bytes>, for group: GroupID) {
    let machines = machines
    inBackground(threads.lookups) { () throws(StorageError) in
      try machines.value.lookUp(keys)
    } then: { worker, records in
      guard let request = worker.lookups.received(records, for: group) else { return }
      // The replica may have gone, or a snapshot have taken the place of its state.
      let isOpen = worker.machines.value.isOpen(request.group, request.generation)
      worker.apply(isOpen ? [request] : [])
    }
  }
}

/// Parked applies: those whose records are being read, a few groups at one time, so that what is
/// read is bounded, and those that wait for that. A group has one at most, unless a snapshot took
/// the place of its state: then what was read for the old one is dropped when it is there.
struct ApplyLookups {
  private struct Reading {
    var request: ApplyRequest
    /// Parts that are not there yet.
    var parts: Int
  }

  private var waiting: [ParkedApply] = []
  private var reading: [Reading] = []

  mutating func append(_ parked: ParkedApply) { waiting.append(parked) }

  /// What is to be read now.
  mutating func next() -> (request: ApplyRequest, parts: [ArraySlice<Bytes>])? {
    guard reading.count < Limits.applyLookupGroups,
      let at = waiting.firstIndex(where: { parked in
        !reading.contains { $0.request.group == parked.request.group }
      })
    else { return nil }
    let parked = waiting.remove(at: at)
    let size = max(1, (parked.keys.count + Limits.readThreads - 1) / Limits.readThreads)
    let parts = stride(from: 0, to: parked.keys.count, by: size).map {
      parked.keys[$0..<min($0 + size, parked.keys.count)]
    }
    reading.append(Reading(request: parked.request, parts: parts.count))
    return (parked.request, parts)
  }

  /// A part is there; the request, where it was the last one.
  mutating func received(_ records: LookedUpRecords, for group: GroupID) -> ApplyRequest? {
    guard let at = reading.firstIndex(where: { $0.request.group == group }) else { return nil }
    reading[at].request.records.merge(records)
    reading[at].parts -= 1
    guard reading[at].parts == 0 else { return nil }
    return reading.remove(at: at).request
  }
}
