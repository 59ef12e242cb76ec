internal import KVBase
internal import KVCommand

/// One page over all partitions: a merge of each partition's own ordered pages, with a refill
/// where a partition's page is used up before ours is full.
struct ScanMerge: Sendable {
  private struct Cursor {
    var buffer: [ScannedRecord] = []
    var position = 0
    /// There may be records after the buffer.
    var hasMore = true
    var isInFlight = false
    /// Where the next request begins (ascending) or ends (descending).
    var bound: Bytes?

    var isDrained: Bool { position == buffer.count }
  }

  let keyspace: KeyspaceID
  let query: ScanQuery
  private(set) var records: [ScannedRecord] = []
  private var bytes = 0
  private var cursors: [Cursor]
  /// Partitions whose buffers have records: a heap in the order of the scan.
  private var heap: [Int] = []
  /// Partitions that need a request: a stack.
  private var wanting: [Int]
  /// Drained partitions of which more may come: nothing can be merged until there are none.
  private var drained: Int
  private let from: Bytes
  private let to: Bytes?

  /// `after`: the last key of the page before.
  init(keyspace: KeyspaceID, query: ScanQuery, partitions: Int, after: Bytes?) {
    self.keyspace = keyspace
    self.query = query
    cursors = Array(repeating: Cursor(), count: partitions)
    wanting = Array((0..<partitions).reversed())
    drained = partitions
    var from = query.from
    var to = query.to
    var isPast = false
    if let after {
      if query.descending {
        to = after
      } else if let next = KeyOrder.successor(of: after) {
        from = next
      } else {
        isPast = true
      }
    }
    self.from = from
    self.to = to
    if isPast || to.map({ $0 <= from }) ?? false {
      for partition in cursors.indices { cursors[partition].hasMore = false }
      wanting = []
      drained = 0
    }
  }

  /// Records that one request should ask for: twice a partition's even share of what is missing.
  private var requestLimit: Int {
    let missing = query.limit - records.count
    return max(1, min(missing, missing * 2 / cursors.count + 8))
  }

  /// The next request to send; `nil` where none is needed now.
  mutating func nextRequest() -> (partition: Int, command: ScanCommand)? {
    guard let partition = wanting.popLast() else { return nil }
    cursors[partition].isInFlight = true
    let bound = cursors[partition].bound
    let command = ScanCommand(
      keyspace: keyspace, from: query.descending ? from : bound ?? from,
      to: query.descending ? bound ?? to : to, descending: query.descending,
      keysOnly: query.keysOnly, limit: requestLimit)
    return (partition, command)
  }

  /// An answer. What is out of order or out of bounds is the server's fault: false.
  mutating func receive(partition: Int, _ page: [ScannedRecord], more: Bool) -> Bool {
    precondition(cursors[partition].isInFlight, "partition \(partition) was not asked")
    cursors[partition].isInFlight = false
    guard isInOrder(page, of: partition), !(page.isEmpty && more) else { return false }
    cursors[partition].buffer = page
    cursors[partition].position = 0
    cursors[partition].hasMore = more
    if let last = page.last?.key {
      cursors[partition].bound = query.descending ? last : KeyOrder.successor(of: last)
      if !query.descending, cursors[partition].bound == nil { cursors[partition].hasMore = false }
      push(partition)
    }
    drained -= 1
    merge()
    return true
  }

  private func isInOrder(_ page: [ScannedRecord], of partition: Int) -> Bool {
    let bound = cursors[partition].bound
    let low = query.descending ? from : bound ?? from
    let high = query.descending ? bound ?? to : to
    for (position, record) in page.enumerated() {
      if record.key < low { return false }
      if let high, record.key >= high { return false }
      guard position > 0 else { continue }
      let previous = page[position - 1].key
      if query.descending ? record.key >= previous : record.key <= previous { return false }
    }
    return true
  }

  private var isFull: Bool { records.count >= query.limit || bytes >= Limits.pageBytes }

  var isDone: Bool { isFull || (drained == 0 && heap.isEmpty) }

  /// The page. Only where `isDone`.
  var page: ScanPage {
    let isLast = drained == 0 && heap.isEmpty
    guard !isLast, let last = records.last else { return ScanPage(records: records, next: nil) }
    let token = PageToken(keyspace: keyspace, query: query, lastKey: last.key)
    return ScanPage(records: records, next: token.encoded())
  }

  private mutating func merge() {
    while drained == 0, !isFull, let partition = heap.first {
      let record = cursors[partition].buffer[cursors[partition].position]
      cursors[partition].position += 1
      records.append(record)
      bytes += record.key.count + record.record.value.count
      if cursors[partition].isDrained {
        popFirst()
        cursors[partition].buffer = []
        cursors[partition].position = 0
        if cursors[partition].hasMore {
          drained += 1
          wanting.append(partition)
        }
      } else {
        siftDown(0)
      }
    }
  }

  // MARK: Heap

  private func head(_ partition: Int) -> Bytes {
    cursors[partition].buffer[cursors[partition].position].key
  }

  private func comes(_ a: Int, before b: Int) -> Bool {
    query.descending ? head(a) > head(b) : head(a) < head(b)
  }

  private mutating func push(_ partition: Int) {
    heap.append(partition)
    var at = heap.count - 1
    while at > 0, comes(heap[at], before: heap[(at - 1) / 2]) {
      heap.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  private mutating func popFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    siftDown(0)
  }

  private mutating func siftDown(_ start: Int) {
    var at = start
    while true {
      var child = 2 * at + 1
      guard child < heap.count else { return }
      if child + 1 < heap.count, comes(heap[child + 1], before: heap[child]) { child += 1 }
      guard comes(heap[child], before: heap[at]) else { return }
      heap.swapAt(at, child)
      at = child
    }
  }
}
