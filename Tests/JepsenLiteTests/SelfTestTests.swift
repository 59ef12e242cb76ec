import KVSimulator
import Testing

@testable import JepsenLite

@Suite struct SelfTestTests {
  private let fault = SelfTestFault(
    "aFaultWithALongName", "something is wrong | here", [.simulation(profile: "cp")])

  @Test func theCatalogueNamesWhatThereIs() {
    let names = SelfTestCatalogue.all.map(\.name)
    #expect(names.count >= 14 && Set(names).count == names.count)
    #if PlantedFaults
      #expect(names == Planting.all.map(\.name))
    #endif
    for fault in SelfTestCatalogue.all {
      #expect(!fault.text.isEmpty)
      #expect(fault.ways.contains { $0.isSimulation }, "\(fault.name)")
      for way in fault.ways {
        switch way {
        case .simulation(let profile): #expect(SimulationProfile.named(profile) != nil)
        case .run(let workload, let nemesis, _):
          #expect(WorkloadCatalog.named(workload) != nil)
          for one in nemesis.split(separator: ",") {
            #expect(NemesisCatalog.named(String(one)) != nil)
          }
        }
      }
      #if PlantedFaults
        // What `sim --plant list` recommends is what the self-test does.
        let profile = Planting.all.first { $0.name == fault.name }?.profile ?? ""
        #expect(fault.ways.contains(.simulation(profile: profile)), "\(fault.name)")
      #endif
    }
  }

  @Test func argumentsAreRead() throws {
    let parsed = try SelfTestArguments([
      "--only", "skippedSync,appliedTwice", "--ways", "sim", "--seconds", "15", "--markdown",
      "--bin", "there", "--no-controls",
    ])
    #expect(parsed.only.count == 2 && parsed.ways == .sim && parsed.seconds == 15)
    #expect(parsed.isMarkdown && parsed.bin == "there" && !parsed.hasControls)
    #expect(parsed.faults.map(\.name) == ["skippedSync", "appliedTwice"])
    #expect(parsed.faults.allSatisfy { parsed.ways(of: $0).allSatisfy { $0.isSimulation } })
    let invalid = [
      ["--only", "nothing"], ["--ways", "x"], ["--seconds", "1"], ["--bin"], ["--what"],
      ["--build", "--bin", "there"], ["--tries", "0"],
    ]
    for words in invalid {
      #expect(throws: SelfTestArguments.Problem.self) { try SelfTestArguments(words) }
    }
  }

  @Test func whatChildrenSayIsUnderstood() {
    let simulation = SelfTestWay.simulation(profile: "lease")
    let seed = """
      100 of 400 runs, 0 violated
      seed 10 at 14.866353: real-time order: c5's read of r2-0: was old
        replay: jepsen-lite sim
      caught by a check that is there for it: real-time order
      VIOLATED by 1 of 11 seeds
      """
    let caught = SelfTestOutput(text: seed, way: simulation).finding(.code(1))
    #expect(caught.outcome == .violated && caught.text == "seed 10: real-time order")
    let run = SelfTestWay.run(workload: "register", nemesis: "none")
    let violated = SelfTestOutput(
      text: "passed   heals: yes\nviolated linearizability of registers: hot-0: no\nVIOLATED\n",
      way: run)
    #expect(violated.finding(.code(1)).text == "linearizability of registers")
    #expect(violated.finding(.code(1)).outcome == .violated)
    #expect(SelfTestOutput(text: "PASSED", way: run).finding(.code(0)).outcome == .passed)
    let invalid = SelfTestOutput(text: "invalid  rate: too low\nINVALID\n", way: run)
    #expect(invalid.finding(.code(4)).outcome == .nothing("exit code 4: invalid  rate: too low"))
    #expect(invalid.finding(nil).outcome == .nothing("did not end in time"))
    #expect(invalid.finding(.signal(9)).outcome == .nothing("ended by signal 9"))
  }

  /// That something fails is not enough: it must be what is there to catch the fault.
  @Test func onlyAFaultsOwnChecksCatchIt() throws {
    let simulation = SelfTestWay.simulation(profile: "lease")
    let other = """
      seed 10 at 14.866353: node stopped: n1 stopped
      not caught by its own checks (real-time order), but by node stopped
      VIOLATED by 1 of 11 seeds
      """
    let found = SelfTestOutput(text: other, way: simulation).finding(.code(1))
    #expect(found.outcome == .nothing("not by its checks: seed 10: node stopped"))
    let control = SelfTestOutput(text: other, way: simulation, isPlanted: false)
    #expect(control.finding(.code(1)).outcome == .violated)
    let run = SelfTestWay.run(workload: "counter", nemesis: "none")
    let ended = "violated nodes end only by faults: n1 ended by itself\nVIOLATED\n"
    #expect(SelfTestOutput(text: ended, way: run).finding(.code(1)).outcome != .violated)
    let both = "violated linearizability of counters: no\n" + ended
    #expect(SelfTestOutput(text: both, way: run).finding(.code(1)).outcome == .violated)

    var report = try Simulation(
      SimulationOptions(seed: 1, profile: SimulationProfile(name: "calm"), seconds: 1)
    ).run()
    report.violations = [Violation(timeNanoseconds: 1, check: .liveness, what: "late")]
    #expect(SimulationCommand.judgement(of: "nonsense", report).hasPrefix("not caught by its own"))
    #if PlantedFaults
      report.violations[0].check = .sentBeforeDurable
      #expect(
        SimulationCommand.judgement(of: "skippedSync", report)
          == SimulationCommand.caught + "sent before durable")
    #endif
  }

  private func row(
    _ fault: SelfTestFault?, _ outcome: SelfTestRunner.Finding.Outcome, _ text: String = "x"
  ) -> SelfTestTable.Row {
    SelfTestTable.Row(
      fault: fault, way: .simulation(profile: "cp"),
      finding: SelfTestRunner.Finding(outcome: outcome, text: text, seconds: 1.25, tries: 2))
  }

  @Test func onlyACaughtFaultAndAPassedControlAreGood() {
    var table = SelfTestTable()
    #expect(!table.isGood)
    table.rows = [row(fault, .passed), row(fault, .violated), row(nil, .passed)]
    #expect(table.isGood)
    #expect(table.conclusion == "1 of 1 planted faults caught; 1 of 1 controls passed")
    table.rows = [row(fault, .passed), row(nil, .passed)]
    #expect(table.missed == ["aFaultWithALongName"] && !table.isGood)
    table.rows = [row(fault, .nothing("why"))]
    #expect(!table.isGood)
    for outcome in [SelfTestRunner.Finding.Outcome.violated, .nothing("why")] {
      table.rows = [row(fault, .violated), row(nil, outcome)]
      #expect(table.failedControls.count == 1 && !table.isGood)
    }
  }

  @Test func theTableFits() {
    let long = String(repeating: "a long reason ", count: 20)
    for row in [row(fault, .violated, long), row(nil, .nothing(long)), row(fault, .passed, "")] {
      #expect(SelfTestTable.line(row).count <= 100)
      #expect(!SelfTestTable.line(row).hasSuffix(" "))
    }
    for fault in SelfTestCatalogue.all {
      #expect(fault.name.count < 25)
    }
    var table = SelfTestTable()
    table.rows = [row(fault, .violated, "a|b"), row(fault, .passed)]
    #expect(table.markdown.count == 4)
    #expect(table.markdown[2].contains("a\\|b (run 2)"))
    #expect(table.markdown[3].hasPrefix("|  |  | sim cp | MISSED"))
  }
}
