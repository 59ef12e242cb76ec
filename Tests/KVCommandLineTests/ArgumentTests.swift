import KVCommandLine
import Testing

@Suite struct ArgumentTests {
  let spec = CommandSpec(
    "tool do", "does it", examples: [("tool do it", "does it")],
    positionals: [Positional("KEY", "a key"), Positional("VALUE", optional: true, "a value")],
    flags: [
      Flag("timeout", value: "TIME", default: "5s", "how long"),
      Flag("endpoints", value: "LIST", default: "a:1,b:2", repeats: true, "where"),
      Flag("output", short: "o", value: "FORM", default: "simple", "how"),
      Flag("keyspace", short: "k", value: "NAME", "which"), Flag("hex", "hexadecimal"),
      Flag("token", value: "T", isSetting: false, "go on"), Flag("config", value: "FILE", "file"),
    ])

  func settings(
    _ arguments: [String], environment: [String: String] = [:], file: String = ""
  ) throws -> Settings {
    try Settings(
      spec, try spec.parse(arguments), environmentPrefix: "TOOL_", environment: environment
    ) { (path) throws(UsageError) in
      guard path == "the.conf" else { throw UsageError("\(path) can't be opened") }
      return file
    }
  }

  func problem(_ arguments: [String], file: String = "") -> String? {
    do {
      _ = try settings(arguments, file: file)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test func flagsAreTakenInEveryForm() throws {
    let parsed = try spec.parse([
      "k", "--timeout", "1s", "-o", "json", "--keyspace=a=b", "--hex", "--", "--value",
    ])
    #expect(parsed.positionals == ["k", "--value"])
    #expect(
      parsed.flags == [
        "timeout": ["1s"], "output": ["json"], "keyspace": ["a=b"], "hex": ["true"],
      ])
  }

  @Test func negativeNumbersAndDashesAreNoFlags() throws {
    #expect(try spec.parse(["-5", "-"]).positionals == ["-5", "-"])
  }

  @Test func mistakesGetASentence() {
    #expect(problem(["k", "--timout", "1s"])?.contains("did you mean --timeout?") == true)
    #expect(problem(["k", "--time", "1s"])?.contains("did you mean --timeout?") == true)
    #expect(problem(["k", "--xyzzy"])?.contains("did you mean") == false)
    #expect(problem(["k", "-x"])?.contains("has no flag -x") == true)
    #expect(problem(["k", "-x"])?.contains("write -- before an argument") == true)
    #expect(problem(["k", "--timeout"]) == "--timeout needs a value: --timeout TIME")
    #expect(problem(["k", "--hex=maybe"])?.contains("no value for it") == true)
    #expect(problem(["k", "--timeout", "1s", "--timeout", "2s"])?.contains("twice") == true)
    #expect(
      problem([]) == "KEY is missing: usage: tool do KEY [VALUE] [flags]")
    #expect(problem(["a", "b", "c"])?.contains("'c' is one argument too many") == true)
  }

  @Test func helpWinsOverMistakes() throws {
    #expect(try spec.parse(["--help", "--nonsense"]).asksForHelp)
    #expect(try spec.parse(["k", "-h"]).asksForHelp)
  }

  @Test func theFlagWinsThenTheEnvironmentThenTheFileThenTheDefault() throws {
    let environment = ["TOOL_CONFIG": "the.conf", "TOOL_OUTPUT": "table", "TOOL_HEX": "yes"]
    let file = "# settings\n\ntimeout = 9s\noutput = json\nkeyspace = \"from file\"\n"
    let all = try settings(["k", "-k", "mine"], environment: environment, file: file)
    #expect(all.setting("keyspace").origin == .flag)
    #expect(all.text("keyspace") == "mine")
    #expect(all.setting("output").origin == .environment(variable: "TOOL_OUTPUT"))
    #expect(all.text("output") == "table")
    #expect(all.setting("timeout").origin == .file(path: "the.conf", line: 3))
    #expect(try all.duration("timeout") == .seconds(9))
    #expect(all.setting("endpoints").origin == .standard)
    #expect(all.texts("endpoints") == ["a:1", "b:2"])
    #expect(all.isOn("hex"))
    #expect(!all.has("token"))
    #expect(all.setting("token").origin == .unset)
  }

  @Test func whatIsNoSettingComesFromTheFlagAlone() throws {
    #expect(!(try settings(["k"], environment: ["TOOL_TOKEN": "x"])).has("token"))
    #expect(problem(["k", "--config", "the.conf"], file: "token = x")?.contains("line 1") == true)
  }

  @Test func badFilesGetASentence() {
    func problem(_ file: String) -> String? {
      self.problem(["k", "--config", "the.conf"], file: file)
    }
    #expect(problem("timeout = 1s\ntimout = 2s")?.contains("the.conf, line 2") == true)
    #expect(problem("timout = 2s")?.contains("did you mean timeout?") == true)
    #expect(problem("timeout") == "the.conf, line 1: 'timeout' is not of the form 'flag = value'")
    #expect(problem("hex = 1\nhex = 0")?.contains("stands in line 1 already") == true)
    #expect(problem("hex = 7")?.contains("the.conf, line 1") == true)
    #expect(self.problem(["k", "--config", "none"]) == "none can't be opened")
  }

  @Test func valuesAreChecked() throws {
    let all = try settings(["k", "--timeout", "soon", "-o", "jsn", "-k", "12"])
    let error = #expect(throws: UsageError.self) { try all.duration("timeout") }
    #expect(error?.description.hasSuffix("or 2 for 2 seconds") == true)
    #expect(try all.integer("keyspace", in: 1...20) == 12)
    #expect(throws: UsageError.self) { try all.integer("keyspace", in: 13...20) }
    do {
      _ = try all.choice("output", [("simple", 1), ("json", 2)])
      Issue.record("no error")
    } catch {
      #expect("\(error)".contains("one of simple, json"))
      #expect("\(error)".contains("did you mean json?"))
    }
  }

  @Test func helpFitsTheScreenWithExamplesFirst() throws {
    let help = spec.help(environmentPrefix: "TOOL_")
    let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.allSatisfy { $0.count <= 80 && $0.last != " " })
    let example = try #require(lines.firstIndex { $0.contains("tool do it") })
    let usage = try #require(lines.firstIndex { $0.hasPrefix("usage:") })
    #expect(example < usage)
    #expect(help.contains("TOOL_TIMEOUT"))
    #expect(help.contains("(default: 5s)"))
  }

  @Test(arguments: [
    ("500ms", Duration.milliseconds(500)), ("2s", .seconds(2)), ("1.5s", .milliseconds(1500)),
    ("1m", .seconds(60)), ("2h", .seconds(7200)), ("3", .seconds(3)), ("250us", .microseconds(250)),
  ]) func durations(text: String, value: Duration) {
    #expect(Measure.duration(text) == value)
  }

  @Test func noDurations() {
    for text in ["", "s", "-1s", "1x", "1 s", "1s2", "nan", "1e400s", "999999999999h"] {
      #expect(Measure.duration(text) == nil, "\(text)")
    }
  }

  @Test func numbersOfBytes() {
    #expect(Measure.bytes("64KiB") == 65_536)
    #expect(Measure.bytes("1GB") == 1_000_000_000)
    #expect(Measure.bytes("7") == 7)
    #expect(Measure.bytes("9999999999999GiB") == nil)
    #expect(Measure.bytes("1.5") == nil)
    #expect(Measure.show(bytes: 1536) == "1.5 KiB")
    #expect(Measure.short(bytes: 1023) == "1023")
    #expect(Measure.show(milliseconds: 200_000) == "3 m 20 s")
    #expect(Measure.grouped(-1_234_567) == "-1,234,567")
    #expect(Measure.grouped(123) == "123")
  }
}
