import Foundation
import KVBase
import KVFiles
import KVLog
import Testing

/// The two logs that the contract holds for.
enum LogKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case real, memory
  var testDescription: String { rawValue }
}

/// A directory that goes when its owner does.
final class ScratchDirectory {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("kvlog-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var contents: [String: [UInt8]] {
    get throws {
      var contents: [String: [UInt8]] = [:]
      for name in try FileManager.default.contentsOfDirectory(atPath: path) {
        contents[name] = Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
      }
      return contents
    }
  }

  func write(_ contents: [String: [UInt8]]) throws {
    for (name, bytes) in contents {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
  }
}

/// The files of a log, as a crash may have left them.
typealias LogImage = [String: [UInt8]]

/// A log of either kind, its disk, and what a test does to them.
final class TestLog {
  enum Store {
    case real(SegmentedLog, ScratchDirectory)
    case memory(MemoryLog)
  }

  let kind: LogKind
  let options: LogOptions
  let store: Store

  static let node = NodeID(3)
  static let digest: UInt64 = 0xC0FFEE

  init(_ kind: LogKind, options: LogOptions, store: Store) {
    self.kind = kind
    self.options = options
    self.store = store
  }

  static func create(
    _ kind: LogKind, segmentBytes: Int = 4096, configure: (inout LogOptions) -> Void = { _ in }
  ) throws -> TestLog {
    var options = LogOptions(segmentBytes: segmentBytes, saltSeed: 7)
    configure(&options)
    switch kind {
    case .real:
      let directory = try ScratchDirectory()
      let log = try SegmentedLog.create(
        directory: directory.path, nodeID: node, creationDigest: digest, options: options)
      return TestLog(kind, options: options, store: .real(log, directory))
    case .memory:
      let log = try MemoryLog.create(node: node, creationDigest: digest, options: options)
      return TestLog(kind, options: options, store: .memory(log))
    }
  }

  static func open(
    _ kind: LogKind, _ image: LogImage, options: LogOptions, node: NodeID = node,
    digest: UInt64 = digest
  ) throws -> TestLog {
    let (store, _) = try attempt(kind, image, options: options, node: node, digest: digest)
    return TestLog(kind, options: options, store: try store.get())
  }

  /// Opens an image, and also answers with the files as they are afterwards.
  static func attempt(
    _ kind: LogKind, _ image: LogImage, options: LogOptions, node: NodeID = node,
    digest: UInt64 = digest
  ) throws -> (Result<Store, StorageError>, after: LogImage) {
    switch kind {
    case .real:
      let directory = try ScratchDirectory()
      try directory.write(image)
      let result = Result { () throws(StorageError) -> Store in
        .real(
          try SegmentedLog.open(
            directory: directory.path, nodeID: node, creationDigest: digest, options: options),
          directory)
      }
      return (result, try directory.contents)
    case .memory:
      let directory = MemoryDirectory(files: image)
      let identity = LogIdentity(node: node, creationDigest: digest)
      let result = Result { () throws(StorageError) -> Store in
        .memory(try MemoryLog.open(in: directory, identity: identity, options: options))
      }
      return (result, try directory.contents())
    }
  }

  var log: any LogStore & Sendable {
    switch store {
    case .real(let log, _): log
    case .memory(let log): log
    }
  }

  var extent: (sequence: UInt64, end: Int, synced: Int) {
    switch store {
    case .real(let log, _): log.extent
    case .memory(let log): log.extent
    }
  }

  var tornTailBytes: Int {
    switch store {
    case .real(let log, _): log.tornTailBytes
    case .memory(let log): log.tornTailBytes
    }
  }

  var statistics: LogStatistics {
    switch store {
    case .real(let log, _): log.statistics
    case .memory(let log): log.statistics
    }
  }

  var image: LogImage {
    get throws {
      switch store {
      case .real(_, let directory): try directory.contents
      case .memory(let log): try log.directory.contents()
      }
    }
  }

  var activeName: String { LogFormat.segmentName(extent.sequence) }

  /// Starts again from what is in the files.
  func reopened() throws -> TestLog { try Self.open(kind, image, options: options) }

  @discardableResult
  func append(_ records: LogRecord...) throws -> LogSpan { try log.append(records) }

  /// All entries of a group, read in one go.
  func entries(of group: GroupID) throws -> [LogEntry] {
    guard let recovered = log.recovered.first(where: { $0.group == group })?.log else { return [] }
    guard recovered.lastIndex > recovered.baseIndex else { return [] }
    return try log.read(
      group, from: recovered.baseIndex.next, through: recovered.lastIndex, maxBytes: .max)
  }

  /// The files after a loss of power: any part of what was not synced is there; in its stead is
  /// what was there before (zero here), or noise.
  func crashImage(_ random: inout SeededRandom) throws -> LogImage {
    var image = try image
    let (_, end, synced) = extent
    guard end > synced, var bytes = image[activeName] else { return image }
    switch random.below(5) {
    case 0:
      for i in synced..<end { bytes[i] = 0 }
    case 1:
      for i in synced + Int(random.below(UInt64(end - synced)))..<end { bytes[i] = 0 }
    case 2:
      bytes.removeSubrange((synced + Int(random.below(UInt64(end - synced))))...)
    case 3:
      var sector = synced
      while sector < end {
        let next = min((sector / 512 + 1) * 512, end)
        if random.chance(1, in: 2) {
          for i in sector..<next { bytes[i] = UInt8(truncatingIfNeeded: random.next()) }
        }
        sector = next
      }
    default: break
    }
    image[activeName] = bytes
    return image
  }
}

extension LogEntry {
  static func test(
    _ index: UInt64, term: UInt64 = 1, kind: EntryKind = .command, _ payload: Bytes = "value"
  ) -> LogEntry {
    LogEntry(
      index: LogIndex(index), term: Term(term), kind: kind, logTimeMilliseconds: 1000 + index,
      payload: payload)
  }

  static func configuration(
    _ index: UInt64, term: UInt64 = 1, _ configuration: GroupConfiguration
  ) -> LogEntry {
    var writer = ByteWriter()
    configuration.encode(into: &writer)
    return test(index, term: term, kind: .configuration, writer.take())
  }
}

extension LogRecord {
  /// A replica that begins with nothing.
  static func begin(_ group: GroupID) -> LogRecord {
    .reset(group, generation: Generation(1), index: .zero, term: .zero, configuration: .three)
  }
}

extension GroupConfiguration {
  static var three: GroupConfiguration {
    GroupConfiguration(voters: [1, 2, 3].map { ReplicaID(rawValue: $0) })
  }
}

extension [UInt8] {
  init?(hexadecimal text: String) {
    let digits = text.compactMap { $0.hexDigitValue }
    guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
    self = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
  }
}
