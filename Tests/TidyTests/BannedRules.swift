/// Words that must not stand in the sources, and what to write instead.
enum Banned {
  struct Rule: Sendable {
    var word: String
    var instead: String
    /// Looks at comments and strings too.
    var inText = false
    /// Whether the rule holds for a file.
    var applies: @Sendable (SourceFile) -> Bool
  }

  @Sendable static func isCore(_ file: SourceFile) -> Bool {
    file.isSource && Layers.cores.contains(file.module)
  }

  /// What must give the same run for the same seed.
  @Sendable private static func isRepeatable(_ file: SourceFile) -> Bool {
    isCore(file)
      || (file.isSource && (file.module == "KVBase" || Layers.simulated.contains(file.module)))
  }

  @Sendable private static func isHot(_ file: SourceFile) -> Bool {
    isRepeatable(file) && file.module != "KVSimulator"
  }

  private static let tools: Set<String> = [
    "kvnode", "kvctl", "kvbench", "jepsen-lite", "KVCommandLine",
  ]

  /// Cores that may say `unsafe`, each for a reason given there.
  private static let unsafeCores: Set<String> = ["Sources/KVPlacement/Ring.swift"]

  @Sendable private static func source(_ file: SourceFile) -> Bool { file.isSource }
  @Sendable private static func everything(_ file: SourceFile) -> Bool { true }

  static let rules: [Rule] = [
    Rule(word: "try!", instead: "throw, or state the contract with a precondition") { $0.isSwift },
    Rule(word: "as!", instead: "as?, with what to do otherwise", applies: source),
    Rule(
      word: "fatalError(", instead: "a precondition with both values, or an error value",
      applies: source),
    Rule(word: "assert(", instead: "precondition(, which is on in release too", applies: source),
    Rule(word: "assertionFailure(", instead: "preconditionFailure(", applies: source),
    Rule(word: "TO" + "DO", instead: "do it, or leave it out", inText: true, applies: everything),
    Rule(word: "FIX" + "ME", instead: "mend it", inText: true, applies: everything),
    Rule(word: "-O" + "unchecked", instead: "-O", inText: true, applies: everything),
    Rule(word: "unsafe" + "Flags", instead: "settings with names", inText: true) {
      $0.isSwift
    },
    Rule(
      word: "DESIGN" + ".md", instead: "ARCHITECTURE.md", inText: true, applies: everything),
    Rule(word: "print(", instead: "an event, or a tool's own output") {
      $0.isSource && !tools.contains($0.module)
    },
    Rule(word: "Date()", instead: "`now`, given with each input", applies: isRepeatable),
    Rule(word: "ContinuousClock", instead: "`now`, given with each input", applies: isRepeatable),
    Rule(word: "SuspendingClock", instead: "`now`, given with each input", applies: isRepeatable),
    Rule(
      word: "SystemRandomNumberGenerator", instead: "SeededRandom, given from outside",
      applies: isRepeatable),
    Rule(
      word: ".random(", instead: "SeededRandom's below(_:) or chance(_:in:)",
      applies: isRepeatable),
    Rule(word: "randomElement()", instead: "SeededRandom's below(_:)", applies: isRepeatable),
    Rule(word: "shuffled()", instead: "shuffled(using: &random)", applies: isRepeatable),
    Rule(word: "hashValue", instead: "XXH3: Swift's hash differs from run to run") {
      isRepeatable($0)
    },
    Rule(word: "Hasher()", instead: "XXH3: Swift's hash differs from run to run") {
      isRepeatable($0)
    },
    Rule(word: "async ", instead: "an input and an output", applies: isCore),
    Rule(word: "await ", instead: "an input and an output", applies: isCore),
    Rule(word: "Locked", instead: "state owned by one worker", applies: isCore),
    Rule(word: "Mutex", instead: "Locked, the project's one lock") { $0.isSwift },
    Rule(word: "@escaping", instead: "a value that says what to do", applies: isCore),
    Rule(word: "any ", instead: "a generic or an enum", applies: isHot),
    Rule(word: "unsafe ", instead: "Bytes, ByteReader and ByteWriter") {
      isCore($0) && !unsafeCores.contains($0.path)
    },
    Rule(
      word: "/" + "root/", instead: "a path from the repository or a temporary folder",
      inText: true, applies: everything),
    Rule(
      word: "/" + "home/", instead: "a path from the repository or a temporary folder",
      inText: true, applies: everything),
    Rule(
      word: "/" + "tmp/", instead: "FileManager's temporaryDirectory, or mktemp -d",
      inText: true, applies: everything),
    Rule(
      word: "/" + "work/", instead: "a path from the repository or a temporary folder",
      inText: true, applies: everything),
  ]

  static func findings(_ file: SourceFile) -> [Finding] {
    var result: [Finding] = []
    for rule in rules where rule.applies(file) {
      let text = rule.inText ? file.bytes : file.code
      var lines: Set<Int> = []
      for at in text.offsets(of: rule.word) where isWhole(text, at) {
        let line = file.line(at: at)
        guard lines.insert(line).inserted else { continue }
        result.append(file.finding(line, "`\(rule.word)`: use \(rule.instead)"))
      }
    }
    return result
  }

  /// Whether what stands at `offset` is not the end of a longer word.
  private static func isWhole(_ text: [UInt8], _ offset: Int) -> Bool {
    offset == 0 || !isLetter(text[offset]) || !isLetter(text[offset - 1])
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
  }
}
