import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

@Suite struct ScanTests {
  func fill(_ cluster: FakeCluster, _ count: Int, _ random: inout SeededRandom) {
    for i in 0..<count {
      var key = [UInt8]()
      for _ in 0...random.below(4) { key.append(UInt8(random.below(4)) &+ (i % 3 == 0 ? 253 : 97)) }
      cluster.data[Bytes(key)] = Record(version: LogIndex(UInt64(i + 1)), value: Bytes("v\(i)"))
    }
  }

  /// Every page of a scan, joined, is what sorting everything gives.
  @Test(arguments: 0..<60) func aScanIsASortedFilter(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    let cluster = FakeCluster(partitions: [1, 2, 8, 32][Int(random.below(4))])
    fill(cluster, Int(random.below(400)), &random)
    cluster.pageLimit = Int(random.below(20)) + 1
    let bounds = (0..<2).map { _ in
      Bytes((0...random.below(2)).map { _ in UInt8(random.below(4)) &+ 97 })
    }.sorted()
    var query = ScanQuery(
      from: random.chance(1, in: 2) ? bounds[0] : Bytes(),
      to: random.chance(1, in: 2) ? bounds[1] : nil, descending: random.chance(1, in: 2),
      keysOnly: random.chance(1, in: 4), limit: Int(random.below(50)) + 1)
    if random.chance(1, in: 3) {
      query = ScanQuery(
        prefix: bounds[0], descending: query.descending, keysOnly: query.keysOnly,
        limit: query.limit)
    }
    var expected = cluster.data.keys.filter { key in
      key >= query.from && query.to.map { key < $0 } ?? true
    }.sorted()
    if query.descending { expected.reverse() }
    var found: [ScannedRecord] = []
    var pages = 0
    repeat {
      guard case .page(let page) = cluster.run(.scan(query)) else {
        Issue.record("no page: \(cluster.completions)")
        return
      }
      #expect(page.records.count <= query.limit)
      found += page.records
      query.token = page.next
      pages += 1
    } while query.token != nil && pages < 1000
    #expect(found.map(\.key) == expected)
    for record in found {
      #expect(record.record.value == (query.keysOnly ? Bytes() : cluster.data[record.key]?.value))
    }
    #expect(cluster.core.callsInProgress == 0)
  }

  @Test func aPageEndsAtItsBytes() {
    let cluster = FakeCluster()
    for i in 0..<40 {
      cluster.data[Bytes("key\(100 + i)")] = Record(
        version: LogIndex(1), value: Bytes([UInt8](repeating: 1, count: 100_000)))
    }
    guard case .page(let page) = cluster.run(.scan(ScanQuery(limit: 40))) else {
      Issue.record("no page")
      return
    }
    #expect(page.records.count == 11)
    #expect(page.next != nil)
  }

  @Test func foreignTokensAreRefused() {
    let cluster = FakeCluster()
    var random = SeededRandom(seed: 5)
    fill(cluster, 200, &random)
    _ = cluster.run(.createKeyspace(name: "other", mode: .cp))
    guard case .page(let page) = cluster.run(.scan(ScanQuery(limit: 5))), let token = page.next
    else {
      Issue.record("no page")
      return
    }
    var damaged = token.array
    damaged[damaged.count / 2] ^= 1
    let other = CallOptions(keyspace: "other")
    let refused: [(ScanQuery, CallOptions)] = [
      (ScanQuery(limit: 5, token: token), other),
      (ScanQuery(descending: true, limit: 5, token: token), CallOptions()),
      (ScanQuery(keysOnly: true, limit: 5, token: token), CallOptions()),
      (ScanQuery(from: "a", limit: 5, token: token), CallOptions()),
      (ScanQuery(limit: 5, token: Bytes(damaged)), CallOptions()),
      (ScanQuery(limit: 5, token: "x"), CallOptions()),
      (ScanQuery(limit: 5, token: Bytes(token.array.dropLast())), CallOptions()),
      (ScanQuery(limit: 5, token: Bytes(token.array + [0])), CallOptions()),
    ]
    for (query, options) in refused {
      guard case .rejected(let failure) = cluster.run(.scan(query), options) else {
        Issue.record("a foreign token was taken: \(query)")
        continue
      }
      #expect(failure.code == .invalidArgument)
    }
  }

  @Test func theHighestKeysEndAScan() {
    let cluster = FakeCluster()
    let highest = Bytes([UInt8](repeating: 255, count: 4096))
    cluster.data[highest] = Record(version: LogIndex(1), value: "x")
    cluster.data["a"] = Record(version: LogIndex(1), value: "x")
    var query = ScanQuery(limit: 1)
    var found: [Bytes] = []
    for _ in 0..<4 {
      guard case .page(let page) = cluster.run(.scan(query)) else {
        Issue.record("no page")
        return
      }
      found += page.records.map(\.key)
      query.token = page.next
      if page.next == nil { break }
    }
    #expect(found == ["a", highest])
    #expect(query.token == nil)
  }

  @Test func aScanFailsAsAWholeWhereAPartitionIsLost() {
    let cluster = FakeCluster()
    var random = SeededRandom(seed: 5)
    fill(cluster, 100, &random)
    _ = cluster.run(.scan(ScanQuery()))
    cluster.script = { _, request in
      guard request.group == GroupID(4) else { return nil }
      return .reply(FakeCluster.failure(.noQuorum))
    }
    guard case .rejected(let failure) = cluster.run(.scan(ScanQuery())) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.message.contains("partition 3"))
    #expect(cluster.core.callsInProgress == 0)
  }

  @Test func aServerThatRepeatsItselfIsFoundOut() {
    let cluster = FakeCluster(partitions: 1)
    let record = ScannedRecord(key: "b", record: Record(version: LogIndex(1), value: "x"))
    cluster.script = { [unowned cluster] node, request in
      guard case .read(.scan) = request.body else { return nil }
      return .reply(
        .read(.page([record], more: true), cluster.receipt(node, GroupID(1), .readIndex)))
    }
    guard case .rejected(let failure) = cluster.run(.scan(ScanQuery(limit: 10))) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.code == .internal)
  }

  @Test func aMultiGetIsJoinedInOrder() {
    let cluster = FakeCluster()
    var keys: [Bytes] = []
    for i in 0..<500 {
      let key = Bytes("k\(i)")
      keys.append(key)
      if i % 3 != 0 {
        cluster.data[key] = Record(version: LogIndex(UInt64(i)), value: Bytes("v\(i)"))
      }
    }
    keys.append(keys[1])
    guard case .records(let records, let receipts) = cluster.run(.multiGet(keys: keys)) else {
      Issue.record("no records")
      return
    }
    #expect(records == keys.map { cluster.data[$0] })
    #expect(receipts.count == 8)
    guard case .records(let none, _) = cluster.run(.multiGet(keys: [])) else {
      Issue.record("no records")
      return
    }
    #expect(none.isEmpty)
  }

  @Test func aMultiGetThatIsTooLongIsSplit() {
    let cluster = FakeCluster(partitions: 1)
    let keys = (0..<20).map { Bytes("k\($0)") }
    for key in keys { cluster.data[key] = Record(version: LogIndex(1), value: key) }
    cluster.script = { _, request in
      guard case .read(.multiGet(_, let keys)) = request.body, keys.count > 3 else { return nil }
      return .reply(FakeCluster.failure(.none, code: .resourceExhausted))
    }
    guard case .records(let records, _) = cluster.run(.multiGet(keys: keys)) else {
      Issue.record("no records")
      return
    }
    #expect(records.compactMap { $0?.value } == keys)
  }
}
