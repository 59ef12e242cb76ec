/// What a node runs on: clock and disk, which a crash of the process leaves alone.
struct SimulatedMachine {
  var clock: SimulatedClock
  var disk: SimulatedDisk
  private let ownDrift: Int64

  init(clock: SimulatedClock, disk: SimulatedDisk) {
    self.clock = clock
    self.disk = disk
    ownDrift = clock.partsPerMillion
  }

  /// The clock's rate is what it is without a fault.
  mutating func restoreClockRate(at time: UInt64) {
    clock.setRate(partsPerMillion: ownDrift, at: time)
  }
}
