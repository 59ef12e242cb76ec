import Foundation
import Testing

@testable import JepsenFaults

/// A real node of one, under the library.
private final class Node {
  let rig: Rig
  private let port: UInt16
  private var process = Process()
  private let log: String

  init() throws {
    rig = try Rig()
    port = try Self.freePort()
    log = rig.folder + "/node.log"
    try start()
  }

  deinit { kill() }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, length) | getsockname(descriptor, $0, &length)
      }
    }
    try #require(status == 0)
    return UInt16(bigEndian: address.sin_port)
  }

  private func tool(_ name: String) -> URL {
    URL(filePath: rig.handle.library).deletingLastPathComponent().appending(path: name)
  }

  func start() throws {
    try Data().write(to: URL(filePath: log))
    process = Process()
    process.executableURL = tool("kvnode")
    process.arguments = ["--id", "1", "--data-dir", rig.root, "--listen", "127.0.0.1:\(port)"]
    process.environment = ProcessInfo.processInfo.environment.merging(rig.handle.environment) { $1 }
    process.standardOutput = try FileHandle(forWritingTo: URL(filePath: log))
    process.standardError = process.standardOutput
    try process.run()
    for _ in 0..<100 {
      if try ask("put", "hello", "1").code == 0 { break }
      usleep(100_000)
    }
    try #require(process.isRunning, "\(text)")
    #expect(rig.handle.process == process.processIdentifier)
  }

  var text: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

  func ask(_ words: String...) throws -> (code: Int32, text: String) {
    let asking = Process()
    let output = Pipe()
    asking.executableURL = tool("kvctl")
    asking.arguments = ["--endpoints", "127.0.0.1:\(port)", "--timeout", "3s"] + words
    asking.standardOutput = output
    asking.standardError = FileHandle.nullDevice
    try asking.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    asking.waitUntilExit()
    return (asking.terminationStatus, String(decoding: data, as: UTF8.self))
  }

  /// Puts that many values; the keys of those that were acknowledged.
  func put(_ count: Int, _ prefix: String) throws -> [String] {
    try (0..<count).map { "\(prefix)\($0)" }.filter { try ask("put", $0, "v-\($0)").code == 0 }
  }

  func missing(_ keys: [String]) throws -> [String] {
    try keys.filter { try !ask("get", $0).text.contains("v-\($0)") }
  }

  func kill() {
    guard process.isRunning else { return }
    _ = Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Its exit code, where it ends by itself in a while.
  func end() -> Int32? {
    for _ in 0..<100 where process.isRunning { usleep(50_000) }
    return process.isRunning ? nil : process.terminationStatus
  }
}

/// The faults reach the real node, and it does as it says.
@Suite(.serialized) struct NodeFaultTests {
  @Test(arguments: PowerLoss.Mode.allCases)
  func whatWasAcknowledgedOutlivesAPowerLoss(_ mode: PowerLoss.Mode) throws {
    let node = try Node()
    var keys: [String] = []
    for round in 0..<3 {
      keys += try node.put(5, "r\(round)-")
      node.kill()
      let report = try PowerLoss.apply(node.rig.handle, mode: mode, seed: UInt64(round))
      #expect(report.pendingWrites > 0, "\(report)")
      #expect(report.caveats.isEmpty)
      try node.start()
    }
    #expect(keys.count == 15)
    #expect(try node.missing(keys) == [])
  }

  @Test func withALyingDiskAcknowledgedWritesAreLost() throws {
    let node = try Node()
    let before = try node.put(1, "before-")
    node.rig.handle.lieAboutSyncs(true)
    let after = try node.put(2, "after-")
    #expect(after.count == 2)
    node.kill()
    node.rig.handle.heal()
    let report = try PowerLoss.apply(node.rig.handle, mode: .loseAll, seed: 1)
    #expect(report.bytesDropped > 0)
    #expect(report.files.contains { $0.hasPrefix("log/") })
    #expect(node.rig.handle.counters.syncsLied > 0)
    try node.start()
    #expect(try node.missing(before) == [])
    #expect(try node.missing(after) == after)
  }

  @Test func aFailedSyncEndsTheNodeWithASentence() throws {
    let node = try Node()
    node.rig.handle.failSyncs(1, of: "/log/")
    #expect(try node.put(1, "a") == [])
    #expect(node.end() != nil)
    #expect(node.text.contains("cannot sync"), "\(node.text)")
    #expect(node.rig.handle.counters.syncsFailed == 1)
    node.rig.handle.heal()
    try node.start()
  }

  @Test func aFullDiskEndsTheNodeWithASentence() throws {
    let node = try Node()
    let keys = try node.put(1, "before-")
    node.rig.handle.limitSpace(toBytes: 0, of: "/log/", countsOverwrites: true)
    #expect(try node.put(1, "a") == [])
    #expect(node.end() != nil)
    #expect(node.text.contains("No space left"), "\(node.text)")
    #expect(node.rig.handle.counters.spaceRefusals > 0)
    node.rig.handle.heal()
    try node.start()
    #expect(try node.missing(keys) == [])
  }

  @Test func aSlowDiskSlowsPuts() throws {
    let node = try Node()
    node.rig.handle.slowDisk(writeMicroseconds: 0, syncMicroseconds: 400_000)
    var keys: [String] = []
    let taken = try ContinuousClock().measure { keys = try node.put(1, "a") }
    #expect(keys == ["a0"])
    #expect(taken >= .milliseconds(400))
  }

  @Test func theClocksThatItReadsAreCaught() throws {
    let node = try Node()
    let before = node.rig.handle.counters
    node.rig.handle.setWallOffset(milliseconds: 60_000)
    node.rig.handle.setRate(partsPerMillion: 300_000)
    #expect(try node.put(1, "a").count == 1)
    let after = node.rig.handle.counters
    #expect(after.clockReadsChanged > before.clockReadsChanged)
    let read = node.rig.handle.clockReading
    #expect(read.wallOffsetNanoseconds == 60_000_000_000)
    // What leases are reckoned by.
    #expect(read.bootOffsetNanoseconds > 0)
    #expect(read.monotonicOffsetNanoseconds > 0)
  }
}
