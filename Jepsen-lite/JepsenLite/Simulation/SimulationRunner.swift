internal import KVSimulator

/// Runs seeds as the arguments say.
struct SimulationRunner: Sendable {
  struct Failure: Error {
    var seed: UInt64
    var text: String
  }

  let arguments: SimulationArguments

  /// All faults of the seed's own plan.
  func plan(of seed: UInt64) throws(Failure) -> KVSimulator.FaultPlan {
    do { return try Simulation(options(seed)).plan } catch {
      throw Failure(seed: seed, text: "\(error)")
    }
  }

  /// With `faults`, only these of the plan are carried out.
  @concurrent
  func run(
    _ seed: UInt64, faults: FaultSelection?, variant: UInt64
  ) async throws(Failure) -> SimulationReport {
    var options = try options(seed)
    options.variant = variant
    options.keepsTrace = arguments.isTraced
    options.stopsAtViolation = !arguments.goesOn
    if let faults {
      let whole = try plan(of: seed)
      guard let chosen = faults.applied(to: whole) else {
        throw Failure(
          seed: seed,
          text: "its plan has \(whole.faults.count) faults, and --faults asks for "
            + "\(faults.kept.last?.number ?? 0)")
      }
      options.plan = chosen
    }
    if !arguments.isReplay { TrapReport.begins(seed: seed) }
    do { return try Simulation(options).run() } catch {
      throw Failure(seed: seed, text: "\(error)")
    }
  }

  private func options(_ seed: UInt64) throws(Failure) -> SimulationOptions {
    guard var profile = SimulationProfile.named(arguments.profile) else {
      throw Failure(seed: seed, text: "there is no profile \(arguments.profile)")
    }
    profile.nodes = arguments.nodes
    var options = SimulationOptions(seed: seed, profile: profile, seconds: arguments.seconds)
    options.plant = arguments.plant
    return options
  }
}
