internal import KVBase
internal import KVLoop
internal import KVNodeCore
internal import KVState

/// Applying: on the loop as far as memory goes. Entries that need records of files wait, with those
/// of their group after them, until other threads have read those (`ParkedApply`).
extension Worker {
  /// Keys that one thread looks up for one group at one time.
  private static let keysPerThread = Limits.applyLookups / Limits.readThreads

  func apply(_ requests: [ApplyRequest]) {
    orStop { () throws(StorageError) in
      let outcome = try machines.value.applyInMemory(requests)
      if !outcome.results.isEmpty { give(.applied(outcome.results)) }
      for parked in outcome.parked { lookUp(parked) }
    }
  }

  private func lookUp(_ parked: ParkedApply) {
    let machines = machines
    let gathering = Gathering(parked.request)
    var start = 0
    while start < parked.keys.count {
      let keys = parked.keys[start..<min(start + Self.keysPerThread, parked.keys.count)]
      start = keys.endIndex
      gathering.parts += 1
      inBackground(threads.lookups) { () throws(StorageError) in
        try machines.value.lookUp(keys)
      } then: { worker, records in
        gathering.request.records.merge(records)
        gathering.parts -= 1
        if gathering.parts == 0 { worker.resume(gathering.request) }
      }
    }
  }

  private func resume(_ request: ApplyRequest) {
    // The replica may have gone, or a snapshot have taken the place of its state.
    guard machines.value.isOpen(request.group, request.generation) else { return }
    apply([request])
  }

  /// A parked request whose records are being looked up. Used on the loop alone.
  private final class Gathering: @unchecked Sendable {
    var request: ApplyRequest
    var parts = 0

    init(_ request: ApplyRequest) { self.request = request }
  }
}
