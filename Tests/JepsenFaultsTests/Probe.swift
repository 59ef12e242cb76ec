import Foundation
import Testing

@testable import JepsenFaults

/// A scratch folder with a handle for it, and the processes that were started under it.
final class Rig {
  let folder: String
  let handle: FaultHandle
  private var probes: [Probe] = []

  init(journalBytes: Int = 8 << 20) throws {
    folder = FileManager.default.temporaryDirectory.path + "/faults-\(UUID().uuidString)"
    let library = try #require(
      FaultLibrary.find(), "build it first: swift build --product jepsen-faults")
    handle = try FaultHandle(
      folder: folder + "/faults", root: folder + "/data", library: library,
      journalBytes: journalBytes)
  }

  deinit {
    for probe in probes { probe.kill() }
    try? FileManager.default.removeItem(atPath: folder)
  }

  var root: String { handle.root }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  func start() throws -> Probe {
    let probe = try Probe(environment: handle.environment)
    probes.append(probe)
    // Its answer shows that the library has had its turn.
    #expect(try probe.say("sleep 0") == "ok 0")
    #expect(handle.process == probe.pid)
    return probe
  }

  func text(_ name: String) -> String? {
    (try? Data(contentsOf: URL(filePath: path(name)))).map { String(decoding: $0, as: UTF8.self) }
  }

  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted()
  }

  func powerLoss(_ mode: PowerLoss.Mode = .loseAll, seed: UInt64 = 1) throws -> PowerLossReport {
    for probe in probes { probe.kill() }
    return try PowerLoss.apply(handle, mode: mode, seed: seed)
  }
}

/// The program of Tests/FaultProbe, as a process.
final class Probe {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private var remaining = Data()

  var pid: Int32 { process.processIdentifier }

  init(environment: [String: String]) throws {
    let program = try #require(Self.program, "the probe was not built")
    process.executableURL = URL(filePath: program)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  private static var program: String? {
    FaultLibrary.find().map { ($0 as NSString).deletingLastPathComponent + "/fault-probe" }
  }

  /// Its answer to one line.
  @discardableResult
  func say(_ line: String) throws -> String {
    try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    while true {
      if let end = remaining.firstIndex(of: 10) {
        defer { remaining = Data(remaining[(end + 1)...]) }
        return String(decoding: remaining[..<end], as: UTF8.self)
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { return "ended" }
      remaining.append(more)
    }
  }

  /// Several lines, each of which must be answered with `ok`.
  func does(_ lines: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
    for line in lines {
      let answer = try say(line)
      #expect(answer.hasPrefix("ok"), "\(line): \(answer)", sourceLocation: sourceLocation)
    }
  }

  func numbers(_ line: String) throws -> [Int64] {
    try say(line).split(separator: " ").dropFirst().compactMap { Int64($0) }
  }

  func kill() {
    guard process.isRunning else { return }
    _ = Foundation.kill(pid, SIGKILL)
    process.waitUntilExit()
  }
}
