internal import Glibc

/// Takes one change of names back. All later ones have been taken back already.
struct NameRollback {
  let change: Journal.NameChange
  /// The journal's folder, where removed files are kept.
  let kept: String

  /// False where there was nothing to do: the process died before it made the change.
  func run(_ report: inout PowerLossReport) throws(FaultError) -> Bool {
    switch change.kind {
    case .create, .link, .makeDirectory:
      guard exists(change.path) else { return false }
      try Folder.remove(change.path)
    case .unlink:
      guard !exists(change.path) else { return false }
      try restore(change.path, &report)
    case .removeDirectory:
      guard !exists(change.path) else { return false }
      guard unsafe mkdir(change.path, 0o755) == 0 else { throw .system("make \(change.path)") }
    case .rename:
      guard !exists(change.path), exists(change.newPath) else { return false }
      guard unsafe rename(change.newPath, change.path) == 0 else {
        throw .system("rename \(change.newPath) to \(change.path)")
      }
      if !change.kept.isEmpty { try restore(change.newPath, &report) }
    }
    return true
  }

  private func restore(_ path: String, _ report: inout PowerLossReport) throws(FaultError) {
    guard !change.kept.isEmpty else {
      report.caveats.append("\(path) was removed and could not be kept")
      return
    }
    guard unsafe rename("\(kept)/\(change.kept)", path) == 0 else {
      throw .system("restore \(path)")
    }
  }

  private func exists(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0
  }
}
