#if PlantedFaults
  import KVBase
  import Testing

  @testable import KVRaft

  /// Each check proves that it can fail (`swift test --traits PlantedFaults`).
  @Suite struct PlantedFaultTests {
    @Test(arguments: [
      PlantedFault.voteBeforePersist, .countLeaderBeforeDurable, .commitOldTermByCounting,
      .leaseReadAfterLease,
    ])
    func randomRunsFindIt(fault: PlantedFault) {
      for seed in 1...UInt64(300) {
        let cluster = SafetyTests.run(
          seed: seed, fault: FaultUnderTest { $0.plantedFault = fault })
        if let finding = cluster.findings.first {
          print("\(fault): found with seed \(seed): \(finding)")
          return
        }
      }
      Issue.record("no run found \(fault)")
    }
  }
#endif
