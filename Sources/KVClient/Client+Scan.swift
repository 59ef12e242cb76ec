internal import KVBase
internal import KVClientCore
internal import KVWire

/// What a scan goes over.
public struct ScanRange: Hashable, Sendable {
  package var from: [UInt8]
  package var to: [UInt8]?

  /// All records of the keyspace.
  public static var all: ScanRange { ScanRange(from: [], to: nil) }

  /// The records whose keys begin with `prefix`.
  public static func prefix(_ prefix: some KeyConvertible) -> ScanRange {
    let bytes = Bytes(prefix.keyBytes)
    return ScanRange(from: bytes.array, to: KeyOrder.end(ofPrefix: bytes)?.array)
  }

  /// The records with `from` ≤ key < `to`; without `to`, up to the last.
  public static func keys(
    from: some KeyConvertible, to: (some KeyConvertible)? = String?.none
  ) -> ScanRange {
    ScanRange(from: from.keyBytes, to: to?.keyBytes)
  }
}

/// The records of a scan in the order of their keys, fetched page by page. Each page is read when
/// it is asked for, so a record that changes meanwhile may be seen before or after the change; none
/// is seen twice.
public struct Scan: AsyncSequence, Sendable {
  /// A record.
  public typealias Element = Entry
  /// What a page may fail with.
  public typealias Failure = KVError

  let client: Client
  let query: ScanQuery
  let options: CallOptions

  /// Begins from the first record.
  public func makeAsyncIterator() -> Iterator { Iterator(scan: self) }

  /// Where a scan stands.
  public struct Iterator: AsyncIteratorProtocol {
    let scan: Scan
    private var page: [Entry] = []
    private var position = 0
    private var token: Bytes?
    private var isLast = false

    init(scan: Scan) {
      self.scan = scan
      token = scan.query.token
    }

    /// The next record; `nil` after the last.
    public mutating func next() async throws(KVError) -> Entry? {
      while position == page.count {
        if isLast { return nil }
        try await fetch()
      }
      position += 1
      return page[position - 1]
    }

    /// The next record; `nil` after the last.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(KVError) -> Entry? {
      try await next()
    }

    private mutating func fetch() async throws(KVError) {
      var query = scan.query
      query.token = token
      let outcome = await scan.client.perform(.scan(query), scan.options)
      guard case .page(let fetched) = outcome else { throw KVError(outcome) }
      page = fetched.records.map { Entry($0) }
      position = 0
      token = fetched.next
      isLast = fetched.next == nil
    }
  }
}

extension Client {
  /// The records of `range`, in the order of their keys or the reverse.
  ///
  ///     for try await entry in client.scan(.prefix("user/")) { … }
  ///
  /// - Parameter pageSize: records fetched at a time, 1 to 1,024.
  public func scan(
    _ range: ScanRange = .all, descending: Bool = false, keysOnly: Bool = false,
    pageSize: Int = 256, consistency: Consistency = .linearizable, options: Options = Options()
  ) -> Scan {
    let query = ScanQuery(
      from: Bytes(range.from), to: range.to.map { Bytes($0) }, descending: descending,
      keysOnly: keysOnly, limit: pageSize)
    return Scan(client: self, query: query, options: options.core(consistency))
  }
}
