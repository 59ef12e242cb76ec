internal import FaultControl
internal import Glibc
internal import KVBase

/// The faults of one node: what the library in its process is told, and what that library counted.
///
/// One handle serves all processes that a node has one after another. Settings hold until they are
/// changed, over a restart too; the journal of what is not durable does as well, since a killed
/// process leaves its unsynced bytes with the system.
///
/// The library is loaded by the environment, so it works on programs that call the system through
/// libc. It has no effect on a static program (etcd, built by Go): see `FaultLibrary.works(on:)`.
package final class FaultHandle: Sendable {
  /// The directory whose files are followed, with what is below it.
  package let root: String
  /// The library's file.
  package let library: String
  let control: ControlFile
  let undo: String
  private let journal: MemoryFile
  /// Held while several words change that belong together.
  let changes = Locked(())

  /// Makes the folder for what must be undone, and the root where there is none. The handle must
  /// live as long as the node's processes: it holds the memory that they share with it.
  ///
  /// - Parameter folder: where removed files are kept; on the same file system as the root, not
  ///   below it. Made where there is none.
  /// - Parameter root: the node's data directory.
  /// - Parameter library: see `FaultLibrary.find()`.
  /// - Parameter journalBytes: what may be kept in order to undo what is not durable.
  package init(
    folder: String, root: String, library: String, journalBytes: Int = 64 << 20
  ) throws(FaultError) {
    guard unsafe access(library, R_OK) == 0 else { throw .system("read the library \(library)") }
    try Folder.make(folder)
    try Folder.make(root)
    let folder = try Folder.absolute(folder)
    self.root = try Folder.absolute(root)
    self.library = try Folder.absolute(library)
    undo = folder + "/undo"
    try Folder.empty(undo)
    control = try ControlFile(journalLimit: journalBytes)
    journal = try MemoryFile("faults-journal")
    guard unsafe symlink(journal.path, undo + "/journal") == 0 else {
      throw .system("make \(undo)/journal")
    }
  }

  /// What a process needs in its environment to be under this handle.
  package var environment: [String: String] {
    [
      "LD_PRELOAD": library, "JEPSEN_FAULTS_CONTROL": control.path, "JEPSEN_FAULTS_ROOT": root,
      "JEPSEN_FAULTS_UNDO": undo,
    ]
  }

  /// The process that has the library now; `nil` where it is dead, or none ever had. It holds a
  /// lock on the control file, which the system takes back when it ends.
  package var process: Int32? {
    let descriptor = unsafe open(control.path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { _ = close(descriptor) }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    guard unsafe fcntl(descriptor, F_GETLK, &lock) == 0, lock.l_type != Int16(F_UNLCK) else {
      return nil
    }
    return lock.l_pid
  }

  /// Whether the library is at work: a run whose nodes do not say so has no disk or clock faults.
  package var isLoaded: Bool { process != nil }

  /// What the library counted since this handle was made. Two readings subtracted are the proof of
  /// a fault between them.
  package var counters: FaultCounters { FaultCounters(control) }

  /// Ends every fault. The monotonic clocks go on from where they are, at their right rate, since
  /// they never go back while a process lives.
  package func heal() {
    healDisk()
    healClocks()
  }
}
