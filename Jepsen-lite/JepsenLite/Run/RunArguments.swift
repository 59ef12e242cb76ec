/// What `jepsen-lite run` was asked for.
package struct RunArguments: Hashable, Sendable {
  package enum System: String, Hashable, Sendable { case kvnode, etcd }

  package var workload = "register"
  package var nemeses = ["none"]
  package var seconds = 60.0
  /// Steps a second; 0: as many as the clients get through.
  package var rate = 200
  package var clients = 10
  package var nodes = 3
  package var seed: UInt64 = 1
  package var out = ""
  package var system = System.kvnode
  package var bin: String?
  package var reads = "read-index"
  package var logKeep: String?
  package var keys: Int?
  package var timeoutMilliseconds = 2000
  /// Answered operations a second; `nil`: a fifth of the rate, or 10.
  package var minimumRate: Double?
  package var plant: String?
  package var keepsData = false
  /// Whether what an earlier run left in the folder is replaced.
  package var replacesRun = false

  /// Why the arguments make no sense, in a sentence.
  package struct Problem: Error, Hashable { package var text: String }

  package init() {}

  /// - Parameter readFile: the text of a file; `nil` where it can't be read.
  package init(
    _ arguments: [String], readFile: (String) -> String?
  ) throws(Problem) {
    var given: [(flag: String, value: String)] = []
    var remaining = arguments[...]
    while let flag = remaining.popFirst() {
      guard flag.hasPrefix("--") else { throw Problem(text: "there is no argument '\(flag)'") }
      let name = String(flag.dropFirst(2))
      if name == "keep-data" || name == "force" {
        given.append((name, "true"))
        continue
      }
      guard Self.flags.contains(name) else { throw Problem(text: "there is no option \(flag)") }
      guard let value = remaining.popFirst() else { throw Problem(text: "\(flag) needs a value") }
      given.append((name, value))
    }
    // What stands on the command line goes before what stands in the file.
    for (flag, value) in given where flag == "config" {
      guard let text = readFile(value) else {
        throw Problem(text: "the file \(value) can't be read")
      }
      try apply(file: text, path: value)
    }
    for (flag, value) in given where flag != "config" { try apply(flag, value, "--\(flag)") }
    guard !out.isEmpty else { throw Problem(text: "--out is missing: give a folder for the run") }
    if system == .etcd {
      guard bin != nil else { throw Problem(text: "--system etcd needs --bin: the folder of etcd") }
      for (flag, _) in given where ["reads", "log-keep", "plant"].contains(flag) {
        throw Problem(text: "--\(flag) is for kvnode, and the system is etcd")
      }
    }
  }

  private static let flags: Set<String> = [
    "workload", "nemesis", "seconds", "rate", "clients", "nodes", "seed", "out", "system", "bin",
    "reads", "log-keep", "keys", "timeout", "min-rate", "plant", "config",
  ]

  private mutating func apply(file text: String, path: String) throws(Problem) {
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let line = Self.trimmed(line.prefix { $0 != "#" })
      if line.isEmpty { continue }
      let source = "line \(number + 1) of \(path)"
      let parts = line.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else {
        throw Problem(text: "\(source) is not 'flag = value': \(line)")
      }
      let flag = Self.trimmed(parts[0])
      guard Self.flags.contains(flag) || flag == "keep-data", flag != "config" else {
        throw Problem(text: "there is no option \(flag) (\(source))")
      }
      try apply(flag, Self.trimmed(parts[1]), source)
    }
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    let head = text.drop { $0.isWhitespace }
    return String(head.reversed().drop { $0.isWhitespace }.reversed())
  }

  private mutating func apply(_ flag: String, _ value: String, _ source: String) throws(Problem) {
    switch flag {
    case "workload":
      guard WorkloadCatalog.named(value) != nil else {
        let known = WorkloadCatalog.all.map(\.name).joined(separator: ", ")
        throw Problem(text: "there is no workload \(value): choose among \(known)")
      }
      workload = value
    case "nemesis": nemeses = value.split(separator: ",").map { Self.trimmed($0) }
    case "seconds": seconds = try Self.number(source, value, 1...86_400)
    case "rate": rate = try Self.number(source, value, 0...1_000_000)
    case "clients": clients = try Self.number(source, value, 1...256)
    case "nodes": nodes = try Self.number(source, value, 1...9)
    case "seed": seed = UInt64(try Self.number(source, value, 0...Int.max))
    case "keys": keys = try Self.number(source, value, 1...100_000)
    case "timeout":
      timeoutMilliseconds = Int(try Self.number(source, value, 0.05...60) * 1000)
    case "min-rate": minimumRate = try Self.number(source, value, 0...1_000_000)
    case "out": out = value
    case "bin": bin = value
    case "log-keep": logKeep = value
    case "plant": plant = value
    case "keep-data": keepsData = value == "true"
    case "force": replacesRun = true
    case "system":
      guard let named = System(rawValue: value) else {
        throw Problem(text: "\(source): the system is kvnode or etcd, not \(value)")
      }
      system = named
    default:
      guard value == "read-index" || value == "lease" else {
        throw Problem(text: "\(source): reads are read-index or lease, not \(value)")
      }
      reads = value
    }
  }

  private static func number<Number: LosslessStringConvertible & Comparable>(
    _ source: String, _ value: String, _ range: ClosedRange<Number>
  ) throws(Problem) -> Number {
    guard let number = Number(value), range.contains(number) else {
      throw Problem(
        text: "\(source) needs a number from \(range.lowerBound) to \(range.upperBound), "
          + "not \(value)")
    }
    return number
  }

  // MARK: What follows from them

  /// Answered operations a second, below which a run is no test.
  package var leastRate: Double { minimumRate ?? (rate == 0 ? 10 : Double(rate) / 5) }

  /// The command that does the same again.
  package var command: String {
    var words = [
      "jepsen-lite run", "--workload \(workload)", "--nemesis \(nemeses.joined(separator: ","))",
      "--seconds \(Self.short(seconds))", "--rate \(rate)", "--clients \(clients)",
      "--nodes \(nodes)", "--seed \(seed)",
    ]
    if system != .kvnode { words.append("--system \(system.rawValue)") }
    if let bin { words.append("--bin \(bin)") }
    if reads != "read-index" { words.append("--reads \(reads)") }
    if let logKeep { words.append("--log-keep \(logKeep)") }
    if let keys { words.append("--keys \(keys)") }
    if timeoutMilliseconds != RunArguments().timeoutMilliseconds {
      words.append("--timeout \(Self.short(Double(timeoutMilliseconds) / 1000))")
    }
    if let minimumRate { words.append("--min-rate \(Self.short(minimumRate))") }
    if let plant { words.append("--plant \(plant)") }
    if keepsData { words.append("--keep-data") }
    words.append("--out \(out)")
    return words.joined(separator: " ")
  }

  private static func short(_ number: Double) -> String {
    number == number.rounded() && abs(number) < 1e15 ? String(Int(number)) : String(number)
  }
}
