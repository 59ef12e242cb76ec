import Foundation
import KVBase
import KVRocks
import KVState
import Testing

/// What every state store does: the real one and its twin.
@Suite struct StateStoreContract {
  @Test(arguments: StoreKind.allCases)
  func aPutIsReadBackAndADeleteRemovesIt(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let store = fixture.store
      #expect(try store.get("a", tier: .all) == .absent)
      try store.write {
        $0.put(key: "a", header: "head-", value: "value")
        $0.put(key: "b", header: Bytes(), value: "only value")
        $0.put(key: "c", header: "only header", value: Bytes())
        $0.put(key: "d", header: Bytes(), value: Bytes())
      }
      #expect(try store.get("a", tier: .all) == .value("head-value"))
      #expect(try store.get("a", tier: .memory) == .value("head-value"))
      #expect(try store.get("b", tier: .all) == .value("only value"))
      #expect(try store.get("c", tier: .all) == .value("only header"))
      #expect(try store.get("d", tier: .all) == .value(Bytes()))
      try store.put("a", "second")
      #expect(try store.get("a", tier: .all) == .value("second"))
      try store.write { $0.delete(key: "a") }
      try store.write { $0.delete(key: "never there") }
      #expect(try store.get("a", tier: .all) == .absent)
      #expect(try store.makeView().get("a") == nil)
      #expect(try store.makeView().get("b") == "only value")
    }
    try body(kind.make())
  }

  @Test(arguments: StoreKind.allCases)
  func theOrderOfABatchHolds(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var batch = F.Store.Batch()
      #expect(batch.isEmpty)
      batch.put(key: "a", header: Bytes(), value: "1")
      batch.delete(key: "a")
      batch.put(key: "b", header: Bytes(), value: "1")
      batch.deleteRange(from: "a", to: "c")
      batch.put(key: "bb", header: Bytes(), value: "2")
      #expect(!batch.isEmpty)
      try fixture.store.write(&batch)
      #expect(try fixture.store.makeView().all() == [Pair("bb", "2")])
      batch.removeAll()
      #expect(batch.isEmpty)
      try fixture.store.write(&batch)
      #expect(try fixture.store.makeView().all() == [Pair("bb", "2")])
    }
    try body(kind.make())
  }

  @Test(arguments: StoreKind.allCases)
  func aRangeIsHalfOpenAndScansGoBothWays(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let store = fixture.store
      let keys: [Bytes] = [
        "a", "b", Bytes([0x62, 0]), "ba", "c", Bytes([0xFF]), Bytes([0xFF, 1]),
      ]
      for key in keys { try store.put(key, key) }
      let pairs = keys.map { Pair($0, $0) }
      let view = try store.makeView()
      #expect(try view.all() == pairs)
      #expect(try view.all(descending: true) == pairs.reversed())
      #expect(try view.all(from: "b", to: "c") == Array(pairs[1...3]))
      #expect(try view.all(from: "b", to: "c", descending: true) == pairs[1...3].reversed())
      #expect(try view.all(from: "b", to: "c", limit: 2) == Array(pairs[1...2]))
      #expect(
        try view.all(from: "b", to: "c", descending: true, limit: 1) == Array(pairs[3...3]))
      #expect(try view.all(from: "b", to: "b").isEmpty)
      #expect(try view.all(from: "c", to: "b").isEmpty)
      #expect(try view.all(from: "aa", to: "az").isEmpty)
      try store.write { $0.deleteRange(from: "b", to: "c") }
      #expect(try store.makeView().all() == [pairs[0], pairs[4], pairs[5], pairs[6]])
      try store.write { $0.deleteRange(from: "z", to: "a") }
      #expect(try store.makeView().all().count == 4)
    }
    try body(kind.make())
  }

  @Test(arguments: StoreKind.allCases)
  func aViewDoesNotChange(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let store = fixture.store
      for i in 0..<200 { try store.put(Bytes("k\(1000 + i)"), "old") }
      let view = try store.makeView()
      let before = try view.all()
      for i in 0..<300 { try store.put(Bytes("k\(900 + i)"), "new") }
      try store.write { $0.deleteRange(from: "k1050", to: "k1100") }
      try store.flush()
      #expect(try view.all() == before)
      #expect(try view.get("k1060") == "old")
      #expect(try store.get("k1060", tier: .all) == .absent)
      #expect(try store.makeView().get("k1000") == "new")
    }
    try body(kind.make())
  }

  /// A view, and the database behind it, outlive the store.
  @Test(arguments: StoreKind.allCases)
  func aViewOutlivesItsStore(_ kind: StoreKind) throws {
    func view<F: StoreFixture>(_ fixture: F) throws -> any StateView {
      try fixture.store.put("a", "1")
      return try fixture.store.makeView()
    }
    #expect(try view(kind.make()).get("a") == "1")
  }

  @Test(arguments: StoreKind.allCases)
  func whatWasFlushedIsPersistedAndSurvivesACrash(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var random = SeededRandom(seed: 3)
      let store = fixture.store
      try store.put("a", "1")
      try store.flush()
      try store.put("a", "2")
      try store.put("b", "2")
      #expect(try store.get("a", tier: .persisted) == .value("1"))
      #expect(try store.get("b", tier: .persisted) == .absent)
      try store.flush()
      try store.flush()
      #expect(try store.get("a", tier: .persisted) == .value("2"))
      let after = try fixture.crashed(&random)
      #expect(try after.store.makeView().all() == [Pair("a", "2"), Pair("b", "2")])
    }
    try body(kind.make())
  }

  /// Each batch writes two keys; after a crash there is a number up to which all batches are whole
  /// and after which none is.
  @Test(arguments: StoreKind.allCases, 0..<6 as Range<UInt64>)
  func aCrashLeavesAPrefixOfTheBatches(_ kind: StoreKind, _ seed: UInt64) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      var random = SeededRandom(seed: seed)
      let batches = 1 + Int(random.below(900))
      let flushedAt = Int(random.below(UInt64(batches)))
      for i in 1...batches {
        try fixture.store.write {
          $0.put(key: "last", header: Bytes(), value: Bytes("\(i)"))
          $0.put(
            key: Bytes("key \(i)"), header: Bytes("\(i) "),
            value: Bytes([UInt8](repeating: 7, count: Int(random.below(512)))))
        }
        if i == flushedAt { try fixture.store.flush() }
      }
      let after = try fixture.crashed(&random)
      var last = 0
      if case .value(let text) = try after.store.get("last", tier: .all) {
        last = Int(text.text ?? "") ?? -1
      }
      #expect(last >= flushedAt && last <= batches, "\(kind), seed \(seed)")
      for i in 1...batches {
        let found = try after.store.get(Bytes("key \(i)"), tier: .all)
        #expect((found != .absent) == (i <= last), "\(kind), seed \(seed), batch \(i) of \(last)")
      }
    }
    try body(kind.make())
  }

  /// Puts, deletes, range deletes, flushes, crashes, views and scans against an array.
  @Test(arguments: StoreKind.allCases, 0..<8 as Range<UInt64>)
  func itBehavesLikeADictionary(_ kind: StoreKind, _ seed: UInt64) throws {
    func body<F: StoreFixture>(_ start: F) throws {
      var random = SeededRandom(seed: seed)
      var fixture = start
      var model: [Bytes: Bytes] = [:]
      var views: [(view: F.Store.View, model: [Bytes: Bytes], of: F)] = []
      func key() -> Bytes { Bytes("\(100 + random.below(400))") }
      for step in 0..<400 {
        switch random.below(20) {
        case 0:
          try fixture.store.flush()
        case 1:
          try fixture.store.flush()
          fixture = try fixture.crashed(&random)
        case 2:
          views.append((try fixture.store.makeView(), model, fixture))
          if views.count > 4 { views.removeFirst() }
        case 3:
          let (from, to) = (key(), key())
          let expected = model.filter { $0.key >= from && $0.key < to }
            .map { Pair($0.key, $0.value) }.sorted { $0.key < $1.key }
          let view = try fixture.store.makeView()
          #expect(try view.all(from: from, to: to) == expected, "seed \(seed), step \(step)")
          let backwards = try view.all(from: from, to: to, descending: true)
          #expect(backwards == expected.reversed(), "seed \(seed), step \(step)")
        case 4:
          let probe = key()
          let expected = model[probe].map(StateLookup.value) ?? .absent
          #expect(try fixture.store.get(probe, tier: .all) == expected)
        default:
          var batch = F.Store.Batch()
          for _ in 0..<random.below(20) { change(&batch, &model) }
          try fixture.store.write(&batch)
        }
      }
      for (view, model, _) in views {
        let expected = model.map { Pair($0.key, $0.value) }.sorted { $0.key < $1.key }
        #expect(try view.all() == expected, "seed \(seed)")
      }
      func change(_ batch: inout F.Store.Batch, _ model: inout [Bytes: Bytes]) {
        let at = key()
        switch random.below(12) {
        case 0, 1, 2:
          batch.delete(key: at)
          model[at] = nil
        case 3:
          let to = key()
          batch.deleteRange(from: at, to: to)
          model = model.filter { $0.key < at || $0.key >= to }
        default:
          let value = Bytes("\(random.next())")
          batch.put(key: at, header: "h", value: value)
          model[at] = Bytes([UInt8(ascii: "h")] + value.array)
        }
      }
    }
    try body(kind.make())
  }

  /// After a reopening nothing is in the cache: a read of what is in memory says so and waits for
  /// no file.
  @Test func aMemoryReadOfAColdBlockIsIncomplete() throws {
    var random = SeededRandom(seed: 1)
    let fixture = try RocksFixture()
    try fixture.store.put("cold", "value")
    try fixture.store.flush()
    let after = try fixture.crashed(&random)
    #expect(try after.store.get("cold", tier: .memory) == .incomplete)
    #expect(try after.store.get("cold", tier: .all) == .value("value"))
    #expect(try after.store.get("cold", tier: .memory) == .value("value"))
    let twin = MemoryState()
    try twin.put("cold", "value")
    twin.missesMemory = true
    #expect(try twin.get("cold", tier: .memory) == .incomplete)
    #expect(try twin.get("cold", tier: .all) == .value("value"))
  }

  @Test func aStoreThatCannotBeOpenedSaysWhy() throws {
    let fixture = try RocksFixture()
    try fixture.store.put("a", "1")
    #expect {
      try RocksStore(path: "/proc/no such directory")
    } throws: { error in
      guard case .io(let text)? = error as? StorageError else { return false }
      return text.contains("RocksDB open")
    }
  }

  /// RocksDB delays writes, on the thread that writes, when the last but one memory table is full:
  /// the node is to refuse proposals well before.
  @Test func thereIsPressureWhenHalfOfTheMemoryTablesWait() throws {
    var options = RocksOptions()
    options.memtableBytes = 64 << 10
    options.maximumMemtables = 12
    // Nothing is written to a file before there are so many.
    options.mergedMemtables = 11
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("state-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let store = try RocksStore(path: directory.path, options: options)
    let value = Bytes([UInt8](repeating: 7, count: 1000))
    var waiting: UInt64 = 0
    var written = 0
    while waiting < 6, written < 10_000 {
      if waiting <= 2 { #expect(!store.isUnderPressure) }
      try store.put(Bytes("k\(written)"), value)
      written += 1
      waiting = store.property("rocksdb.num-immutable-mem-table")
    }
    #expect(waiting == 6)
    // It looks every few milliseconds.
    usleep(50_000)
    #expect(store.property("rocksdb.num-immutable-mem-table") == 6)
    #expect(store.isUnderPressure)
  }

  @Test(arguments: StoreKind.allCases)
  func sizesAreEstimatedAndThereIsNoPressureAtRest(_ kind: StoreKind) throws {
    func body<F: StoreFixture>(_ fixture: F) throws {
      let value = Bytes((0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) })
      for i in 0..<200 { try fixture.store.put(Bytes("k\(i)"), value) }
      try fixture.store.flush()
      #expect(fixture.store.approximateBytes(from: "k", to: "l") > 10_000)
      #expect(fixture.store.approximateBytes(from: "x", to: "y") == 0)
      #expect(fixture.store.isUnderPressure == false)
    }
    try body(kind.make())
  }
}
