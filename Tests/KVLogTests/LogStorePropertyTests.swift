import KVLog
import Testing

@Suite struct LogStoreProperty {
  /// Whatever is done, and whatever part of the unsynced a loss of power leaves: the log is in the
  /// state that was durable, or in that after one of the batches written since, whole.
  @Test(arguments: LogKind.allCases, [1024, 4096, 32768])
  func aLogAgreesWithItsModelOverLossesOfPower(kind: LogKind, segmentBytes: Int) throws {
    var crashes = 0
    var powerCuts = 0
    var tornTails = 0
    var recycled = 0
    for seed in 0..<(kind == .memory ? 20 : 6) as Range<UInt64> {
      var experiment = try LogExperiment(kind, seed: seed, segmentBytes: segmentBytes)
      let difference = try experiment.run(steps: 400)
      #expect(difference == nil, "seed \(seed)")
      crashes += experiment.crashes
      powerCuts += experiment.powerCuts
      tornTails += experiment.tornTails
      recycled += experiment.recycled
    }
    // A run that never reached what it is for would prove nothing.
    #expect(crashes > 20)
    #expect(kind == .real || powerCuts > 50)
    #expect(tornTails > 2)
    #expect(recycled > 5)
  }

  /// The check can fail: a disk whose syncs do nothing loses what the log called durable.
  @Test(arguments: [MemoryLogFault.syncsDoNothing, .directorySyncsDoNothing])
  func syncsThatDoNothingAreFound(fault: MemoryLogFault) throws {
    var found = 0
    for seed in 0..<20 as Range<UInt64> {
      var experiment = try LogExperiment(.memory, seed: seed, segmentBytes: 1024)
      experiment.fault = fault
      do {
        if try experiment.run(steps: 400) != nil { found += 1 }
      } catch {
        found += 1
      }
    }
    #expect(found > 15)
  }

  @Test func theSameSeedGivesTheSameBytes() throws {
    func image() throws -> LogImage {
      var experiment = try LogExperiment(.memory, seed: 5, segmentBytes: 2048)
      #expect(try experiment.run(steps: 300) == nil)
      return try experiment.log.image
    }
    #expect(try image() == image())
  }
}
