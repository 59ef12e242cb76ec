import Foundation
import Glibc
import JepsenHistory
import Testing

@testable import JepsenLite

@Suite struct RunCommandTests {
  private func parse(
    _ arguments: String, file: String? = nil
  ) -> Result<RunArguments, RunArguments.Problem> {
    do throws(RunArguments.Problem) {
      let words = arguments.split(separator: " ").map(String.init)
      return .success(try RunArguments(words) { _ in file })
    } catch {
      return .failure(error)
    }
  }

  @Test func argumentsAreRead() throws {
    let text =
      "--workload list --nemesis isolate-leader,kill-one --seconds 2.5 --rate 0 --clients 4 "
      + "--nodes 5 --seed 9 --out here --reads lease --keys 7 --timeout 0.5 --min-rate 3 "
      + "--log-keep 1MiB --plant x --bin b --keep-data"
    let parsed = try parse(text).get()
    #expect(parsed.workload == "list" && parsed.nemeses == ["isolate-leader", "kill-one"])
    #expect(parsed.seconds == 2.5 && parsed.rate == 0 && parsed.clients == 4 && parsed.nodes == 5)
    #expect(parsed.seed == 9 && parsed.out == "here" && parsed.reads == "lease" && parsed.keys == 7)
    #expect(parsed.timeoutMilliseconds == 500 && parsed.leastRate == 3 && parsed.keepsData)
    #expect(parsed.logKeep == "1MiB" && parsed.plant == "x" && parsed.bin == "b")
    // The command of a run does the same again.
    let again = parsed.command.split(separator: " ").dropFirst(2).joined(separator: " ")
    #expect(try parse(again).get() == parsed)
  }

  @Test func leastRateFollowsFromTheRate() throws {
    #expect(try parse("--out x --rate 500").get().leastRate == 100)
    #expect(try parse("--out x --rate 0").get().leastRate == 10)
  }

  @Test(arguments: [
    "", "--out", "--out x --workload no", "--out x --seconds 0", "--out x --clients 0",
    "--out x --nodes 10", "--out x --what 1", "out", "--out x --reads all", "--out x --rate -1",
    "--out x --system etcd", "--out x --system redis", "--out x --timeout 100",
    "--out x --system etcd --bin b --plant p", "--out x --config none",
  ])
  func invalidArgumentsAreRefused(arguments: String) {
    guard case .failure(let problem) = parse(arguments) else {
      Issue.record("\(arguments) was taken")
      return
    }
    #expect(!problem.text.isEmpty && problem.text.split(separator: "\n").count == 1)
  }

  @Test func aFileGivesWhatTheCommandLineDoesNot() throws {
    let file = """
      # a run of an hour
      workload = bank
      seconds = 3600   # long
      nemesis = mix

      keep-data = true
      """
    let parsed = try parse("--config f --seconds 5 --out x", file: file).get()
    #expect(parsed.workload == "bank" && parsed.seconds == 5 && parsed.nemeses == ["mix"])
    #expect(parsed.keepsData)
    for bad in ["workload", "what = 1", "rate = many", "config = other"] {
      guard case .failure(let problem) = parse("--config f --out x", file: "\n" + bad) else {
        Issue.record("\(bad) was taken")
        continue
      }
      #expect(problem.text.contains("line 2 of f"), "\(problem.text)")
    }
  }

  @Test func exitCodes() async {
    #expect(await RunCommand.run(["--nonsense"]) == .usage)
    #expect(await RunCommand.run(["--help"]) == .passed)
    #expect(await RunCommand.run(["--out", "x", "--bin", "nowhere"]) == .usage)
  }

  @Test func helpFitsTheScreen() {
    let text = RunHelp.text(nemeses: NemesisCatalog.all)
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    for entry in WorkloadCatalog.all { #expect(text.contains("  \(entry.name) ")) }
    for nemesis in NemesisCatalog.all { #expect(text.contains("  \(nemesis.name) ")) }
  }

  @Test func verdictsAreOneLineWhereAllIsWell() {
    let long = Verdict(
      "linearizability of registers", .violated, method: "zones",
      text: String(repeating: "words ", count: 40))
    let lines = RunCommand.line(long).split(separator: "\n")
    #expect(lines.count == 4 && lines.allSatisfy { $0.count <= 80 })
    #expect(lines.reduce(0) { $0 + $1.split(separator: " ").count { $0 == "words" } } == 40)
    var good = long
    good.status = .passed
    #expect(RunCommand.line(good).count == 80)
    let whole = RunCommand.line(good, cuts: false)
    #expect(whole.split(separator: " ").count { $0 == "words" } == 40 && !whole.contains("\n"))
  }

  @Test func foldersOfOthersAreLeftAlone() throws {
    let base = FileManager.default.temporaryDirectory.appending(path: "run-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: base) }
    let path = base.appending(path: "deep/er").path
    let folder = try RunFolder(path, command: "jepsen-lite run")
    #expect(folder.write("history.jsonl", "{}\n"))
    #expect(FileManager.default.createFile(atPath: path + "/notes", contents: nil))
    // An earlier run is not lost without a word.
    let refusal = #expect(throws: SystemProblem.self) { try RunFolder(path, command: "") }
    #expect(refusal?.description.contains("--force") == true)
    #expect(FileManager.default.fileExists(atPath: path + "/history.jsonl"))
    // The same folder again: what is of the run goes, and what is not stays.
    _ = try RunFolder(path + "/", command: "jepsen-lite run --seed 2", replacing: true)
    let left = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    #expect(left == ["notes", "run.txt"])
    try FileManager.default.removeItem(atPath: path + "/run.txt")
    #expect(throws: SystemProblem.self) { try RunFolder(path, command: "") }
    #expect(FileManager.default.fileExists(atPath: path + "/notes"))
  }
}

@Suite struct RunValidityTests {
  private let bitten = FaultRecord(
    nemesis: "kill-one", what: "n1 killed", nodes: [1], startNanoseconds: 0, endNanoseconds: 1,
    proof: "it is gone", didBite: true)

  private func validity(_ change: (inout RunValidity) -> Void) -> Verdict {
    var counts = RecordedCounts()
    counts.ok = 900
    counts.unknown = 100
    var validity = RunValidity(
      counts: counts, seconds: 10, leastRate: 40, nemeses: ["kill-one"], faults: [bitten],
      finalReadsFailed: 0, wasInterrupted: false, wasFull: false, otherProblems: [])
    change(&validity)
    return validity.verdict
  }

  @Test func soundRunsAreTests() {
    #expect(validity { _ in }.status == .passed)
    #expect(validity { $0.wasFull = true }.status == .passed)
    #expect(validity { $0.wasFull = true }.text.contains("history was full"))
    #expect(validity { $0.nemeses = ["mix"] }.status == .passed)
  }

  @Test func runsThatProveNothingAreInvalid() {
    #expect(validity { $0.leastRate = 91 }.text.contains("90.0 operations"))
    #expect(validity { $0.counts.unknown = 901 }.text.contains("ended unknown"))
    #expect(validity { $0.faults = [] }.text.contains("never injected"))
    #expect(validity { $0.faults[0].didBite = false }.text.contains("none of the 1 faults"))
    #expect(validity { $0.nemeses.append("halves") }.text.contains("halves"))
    #expect(validity { $0.finalReadsFailed = 1 }.status == .invalid)
    #expect(validity { $0.wasInterrupted = true }.text.contains("told to"))
    #expect(validity { $0.wasInterrupted = true }.status == .invalid)
    #expect(validity { $0.otherProblems = ["x"] }.status == .invalid)
  }

  @Test func fewerThanHalfOfTheFaultsAreTooFew() {
    var missed = bitten
    missed.didBite = false
    for nemesis in ["kill-one", "mix"] {
      let half = validity {
        $0.nemeses = [nemesis]
        $0.faults = [bitten, missed]
      }
      #expect(half.status == .passed)
      let fewer = validity {
        $0.nemeses = [nemesis]
        $0.faults = [bitten, missed, missed]
      }
      #expect(fewer.status == .invalid)
      #expect(fewer.text.contains("only 1 of the 3 faults of \(nemesis) bit"))
    }
  }

  /// A kind of a mixture is judged by itself: that the others bit says nothing of it.
  @Test func aMixtureIsJudgedKindByKind() {
    func fault(_ nemesis: String, _ didBite: Bool) -> FaultRecord {
      var fault = bitten
      fault.nemesis = nemesis
      fault.didBite = didBite
      return fault
    }
    let others = (0..<20).map { _ in fault("halves", true) }
    func mixed(_ faults: [FaultRecord]) -> Verdict {
      validity {
        $0.nemeses = ["mix"]
        $0.faults = others + faults
      }
    }
    #expect(mixed([fault("full-disk", false), fault("full-disk", true)]).status == .passed)
    let never = mixed([fault("full-disk", false), fault("full-disk", false)])
    #expect(never.status == .invalid)
    #expect(never.text.contains("none of the 2 faults of full-disk bit"))
    // What came up once may miss, and is listed.
    let once = mixed([fault("full-disk", false)])
    #expect(once.status == .passed && once.text.contains("Missed: full-disk at 0.0 s"))
    let many = mixed(["a", "b", "c", "d", "e", "f", "g"].map { fault($0, false) })
    #expect(many.status == .invalid && many.text.contains("only 20 of the 27 faults of mix bit"))
  }

  @Test func aQuarterOfAKindMayMiss() {
    var missed = bitten
    missed.didBite = false
    for (misses, status) in [(2, Verdict.Status.passed), (3, .invalid), (4, .invalid)] {
      let verdict = validity {
        $0.faults =
          Array(repeating: bitten, count: 8 - misses) + Array(repeating: missed, count: misses)
      }
      #expect(verdict.status == status, "\(misses) of 8: \(verdict.text)")
    }
  }

  /// The rate is met by reads, and every add was refused: nothing of what a counter promises was
  /// tried.
  @Test func aRunWhoseAddsWereAllRefusedIsNoTest() {
    func operation(
      _ kind: HistoryOperation.Kind, _ outcome: HistoryOperation.Outcome
    ) -> HistoryOperation {
      HistoryOperation(
        process: 1, kind: kind, key: "c", startNanoseconds: 0, endNanoseconds: 1, outcome: outcome)
    }
    let reads = (0..<900).map { _ in operation(.read, .ok) }
    func counter(_ adds: [HistoryOperation]) -> Verdict {
      validity {
        $0.kinds = CounterWorkload(keys: 4).kinds
        $0.history = reads + adds
      }
    }
    let refused = operation(.add, .refused("no"))
    #expect(counter((0..<200).map { _ in operation(.add, .ok) }).status == .passed)
    let none = counter((0..<200).map { _ in refused })
    #expect(none.status == .invalid && none.text.contains("0 of 200 add operations"))
    #expect(counter([]).text.contains("no add operation was tried"))
    let few = counter((0..<1991).map { _ in refused } + (0..<9).map { _ in operation(.add, .ok) })
    #expect(few.status == .invalid && few.text.contains("9 of 2000 add operations"))
  }

  @Test func onlyWhatBreaksAPromiseIsAViolation() {
    #expect(RunValidity.verdict(ofEnds: []) == nil)
    // What it said last does not matter.
    let stop = NodeFinding(text: "n2 ended; it said last: (signal 4)", isViolation: false)
    #expect(RunValidity.verdict(ofEnds: [stop])?.status == .invalid)
    let wentOn = NodeFinding(text: "n1 went on after 2 of its fsyncs failed", isViolation: true)
    let both = RunValidity.verdict(ofEnds: [stop, wentOn])
    #expect(both?.status == .violated && both?.text.contains("n1 went on") == true)
    #expect(ExitStatus.signal(SIGILL).isTrap && ExitStatus.signal(SIGSEGV).isTrap)
    #expect(!ExitStatus.signal(SIGKILL).isTrap && !ExitStatus.code(4).isTrap)
  }

  @Test func sentencesAreWrapped() {
    let names = NemesisCatalog.all.map(\.name).joined(separator: ", ")
    let text = RunCommand.wrapped("choose among \(names)\nsecond line")
    #expect(text.replacing("\n", with: " ") == "choose among \(names) second line")
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(RunCommand.wrapped("short") == "short")
  }
}
