/// What one run is.
package struct SimulationOptions: Sendable {
  package var seed: UInt64
  package var profile: SimulationProfile
  /// How long clients work and faults happen; then all is healed.
  package var seconds: UInt64 = 60
  package var keepsTrace = false
  /// Instead of the seed's own.
  package var plan: FaultPlan?
  /// Other chances than 0 gives, under the same plan.
  package var variant: UInt64 = 0
  /// A run ends at its first violation, or goes on to its end.
  package var stopsAtViolation = true
  /// Nodes of a formed cluster start again with other peers than it was formed with, which must
  /// change nothing.
  package var changesPeersAtRestart = true
  /// A fault that is built in; only where the build has planted faults.
  package var plant: String?

  package init(seed: UInt64, profile: SimulationProfile, seconds: UInt64 = 60) {
    self.seed = seed
    self.profile = profile
    self.seconds = seconds
  }
}
