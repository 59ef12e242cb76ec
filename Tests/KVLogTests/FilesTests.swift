import Foundation
import KVBase
import Testing

@testable import KVFiles

/// What the operating system may do to a call: do a part of it, interrupt it, refuse it.
@Suite struct FilesTests {
  @Test func aTransferGoesOnAfterShortCallsAndSignals() {
    var answers = [3, -1, 1, -1, 6]
    var asked: [Int] = []
    let transfer = PosixCalls.transfer(10) { done in
      asked.append(done)
      let answer = answers.removeFirst()
      if answer < 0 { errno = EINTR }
      return answer
    }
    #expect(transfer == PosixCalls.Transfer(done: 10, failure: nil))
    #expect(asked == [0, 3, 3, 4, 4])
  }

  @Test func aTransferEndsWhereNothingMoreCanBeDone() {
    #expect(PosixCalls.transfer(10) { $0 < 4 ? 4 : 0 } == PosixCalls.Transfer(done: 4))
    let refused = PosixCalls.transfer(10) { done in
      errno = ENOSPC
      return done < 4 ? 4 : -1
    }
    #expect(refused == PosixCalls.Transfer(done: 4, failure: ENOSPC))
  }

  /// A sync that a signal interrupts has decided nothing; one that failed must not be made again
  /// (fsync-gate, 2018).
  @Test func onlyAnInterruptedSyncIsMadeAgain() {
    var errors = [EINTR, EINTR, 0]
    let succeeds = PosixCalls.succeeds {
      errno = errors.removeFirst()
      return errno == 0 ? 0 : -1
    }
    #expect(succeeds)
    errors = [EIO, 0]
    let fails = PosixCalls.succeeds {
      errno = errors.removeFirst()
      return errno == 0 ? 0 : -1
    }
    #expect(!fails)
    #expect(errors == [0])
  }

  /// Directory entry not fsynced (etcd#6378): a new data directory could be lost as a whole.
  @Test func theNameOfEachNewDirectoryIsMadeDurable() throws {
    let scratch = try ScratchDirectory()
    var synced: [String] = []
    func make(_ path: String) throws {
      synced = []
      try Files.makeDirectory(path) { synced.append($0) }
      #expect(Files.exists(path))
    }
    try make(scratch.path + "/a/b/c")
    #expect(synced == [scratch.path, scratch.path + "/a", scratch.path + "/a/b"])
    // Whoever made it may have been interrupted before the sync.
    try make(scratch.path + "/a/b/c")
    #expect(synced == [scratch.path + "/a/b"])
    try make(scratch.path + "/a/d/")
    #expect(synced == [scratch.path + "/a"])
  }

  @Test(arguments: [
    ("/var/lib/kv", "/var/lib"), ("/kv", "/"), ("kv", "."), ("./kv", "."), ("a/b/", "a"),
  ])
  func theParentOfAPath(path: String, parent: String) {
    #expect(Files.parent(of: path) == parent)
  }

  @Test func aReplacedFileHasTheNewBytesAndLeavesNothingBeside() throws {
    let scratch = try ScratchDirectory()
    #expect(try Files.read(scratch.path + "/identity", limit: 100) == nil)
    for bytes in [[1, 2, 3], [UInt8](repeating: 7, count: 70_000)] {
      try Files.replace("identity", in: scratch.path, with: bytes)
      #expect(try Files.read(scratch.path + "/identity", limit: 100_000) == bytes)
      #expect(try scratch.contents.keys.sorted() == ["identity"])
    }
    let failure = #expect(throws: StorageError.self) {
      try Files.replace("identity", in: scratch.path + "/none", with: [1])
    }
    #expect(failure?.description.contains("cannot create") == true)
  }

  /// A disk that is full in the middle of a line: what is written later is on lines of its own.
  @Test func anEventThatWasCutDoesNotSpoilTheNextOne() throws {
    var ends: [Int32] = [0, 0]
    let made = unsafe pipe(&ends)
    try #require(made == 0)
    for end in ends { try #require(fcntl(end, F_SETFL, O_NONBLOCK) == 0) }
    let reader = KVFiles.FileHandle(ends[0])
    let events = EventsFile(KVFiles.FileHandle(ends[1]), node: NodeID(1))
    func read() -> String {
      var bytes = [UInt8](repeating: 0, count: 1 << 20)
      let count = unsafe Glibc.read(reader.descriptor, &bytes, bytes.count)
      return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
    let long = String(repeating: "x", count: 200_000)
    events.append(.note(.warning, long), wallMilliseconds: 1)
    // Nothing of this one fits.
    events.append(.note(.warning, "lost"), wallMilliseconds: 2)
    let cut = read()
    #expect(cut.hasPrefix("{") && !cut.contains("\n"))
    for time in 3...4 as ClosedRange<UInt64> {
      events.append(.peer(NodeID(2), connected: true), wallMilliseconds: time)
    }
    let lines = read().split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 4 && lines.first?.isEmpty == true && lines.last?.isEmpty == true)
    #expect(lines[1].hasPrefix("{\"time_ms\":3") && lines[1].hasSuffix("}"))
    #expect(lines[2].hasPrefix("{\"time_ms\":4") && lines[2].hasSuffix("}"))
  }

  @Test func anIdentityOfAnotherFormatSaysWhatToDo() throws {
    for (format, mention) in [(0, "the version that wrote it"), (9, "as new as")]
      as [(UInt8, String)]
    {
      var bytes = IdentityFormat.encode(
        Identity(node: NodeID(1), clusterID: 2, creationDigest: 3, incarnation: 4))
      bytes[11] = format
      let error = #expect(throws: StorageError.self) {
        try IdentityFormat.decode(bytes, file: "identity")
      }
      #expect(error?.description.contains(mention) == true)
      #expect(error?.description.contains("format \(format)") == true)
    }
  }
}
