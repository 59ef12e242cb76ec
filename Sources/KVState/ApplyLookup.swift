package import KVBase
internal import KVCommand

/// Applying without waiting for files.
///
/// A conditional write, an add or a delete depends on the record that is there, which may be in a
/// file only. The thread that applies must not wait for it. So `applyInMemory` applies each group's
/// entries up to the first one whose record is not in memory, and answers the rest as a
/// `ParkedApply`, with the keys of the records that its first entries need. Any thread reads those
/// (`lookUp`); then the rest is given to `applyInMemory` again, with what was read.
///
/// What was read stays true meanwhile: the records of a group change by its own entries only, and
/// those wait. Entries of a batch see what earlier ones of it wrote before they see what was read.
/// So a group's state is that of its entries in their order, wherever its records were found, and
/// other groups go on.
package struct ParkedApply: Sendable {
  /// The entries that are left.
  package var request: ApplyRequest
  /// Keys of the store; at most `Limits.applyLookups`.
  package let keys: [Bytes]
}

/// What `applyInMemory` came to: results for requests of which any entry was applied, and those of
/// which some were not.
package struct ApplyOutcome: Sendable {
  package var results: [ApplyResult] = []
  package var parked: [ParkedApply] = []
}

/// Records that were read for entries that are to be applied, by key of the store.
package struct LookedUpRecords: Sendable {
  /// As stored; `nil`: absent. For look-up only.
  private var records: [Bytes: Bytes?] = [:]

  package init() {}

  mutating func set(_ key: Bytes, to stored: Bytes?) { records[key] = .some(stored) }

  func stored(_ key: Bytes) -> Bytes?? { records.isEmpty ? .none : records[key] }

  package mutating func merge(_ other: LookedUpRecords) {
    records.merge(other.records) { _, new in new }
  }
}

extension StateMachines {
  /// Reads records of parked entries from files, or as many of them as may be held at one time, and
  /// at least one; the others are asked for again. On any thread.
  package func lookUp(_ keys: ArraySlice<Bytes>) throws(StorageError) -> LookedUpRecords {
    var found = LookedUpRecords()
    var bytes = 0
    for key in keys {
      switch try store.get(key, tier: .all) {
      case .value(let stored):
        found.set(key, to: stored)
        bytes += stored.count
      case .absent: found.set(key, to: nil)
      case .incomplete: throw .io("the state store answered a full read with \"incomplete\"")
      }
      if bytes >= Limits.applyLookupBytes { break }
    }
    return found
  }

  /// Whether entries of this generation of a group can be applied. On the applying thread.
  package func isOpen(_ group: GroupID, _ generation: Generation) -> Bool {
    groups[group]?.generation == generation
  }
}
