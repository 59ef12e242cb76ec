import Testing

/// Each rule catches the fault that it is there for, and lets its neighbour pass.
@Suite struct PlantedTests {
  private func file(_ text: String, _ path: String = "Sources/KVRaft/Planted.swift") -> SourceFile {
    SourceFile(path: path, text: text)
  }

  // Layers.

  @Test(arguments: [
    ("KVRaft", "import KVCommand"), ("KVRaft", "internal import Foundation"),
    ("KVRaft", "package import KVStorage"), ("KVNodeCore", "import Glibc"),
    ("KVClientCore", "import Dispatch"), ("KVCommand", "@preconcurrency import Foundation"),
    ("KVPlacement", "import struct Foundation.Date"), ("KVClient", "import KVServer"),
    ("KVServer", "import CRocksDB"), ("KVBase", "import Logging"), ("kvctl", "import KVServer"),
    ("KVRaft", "  @testable import KVWire"), ("KVRaft", "import Synchronization"),
    ("KVUnheardOf", "import KVBase"), ("KVSimulator", "import Glibc"),
    ("KVState", "import Foundation"), ("KVWire", "import Glibc"),
  ])
  func aForbiddenImportIsFound(_ module: String, _ line: String) {
    #expect(Layers.findings(file("\(line)\n", "Sources/\(module)/Planted.swift")).count == 1)
  }

  @Test(arguments: [
    ("KVRaft", "package import KVBase"), ("KVNodeCore", "import KVBase"),
    ("KVServer", "internal import Foundation"), ("KVFiles", "import Glibc"),
    ("KVRocks", "import CRocksDB"), ("KVClient", "import Synchronization"),
    ("KVRaft", "// import Foundation"), ("KVRaft", "let text = \"import Foundation\""),
    ("KVLog", "internal import Synchronization"), ("kvctl", "import KVWire"),
    ("KVBase", "internal import CXXHash"),
  ])
  func anAllowedImportPasses(_ module: String, _ line: String) {
    #expect(Layers.findings(file("\(line)\n", "Sources/\(module)/Planted.swift")).isEmpty)
  }

  @Test func theHarnessIsHeldToo() {
    let path = "Jepsen-lite/JepsenLite/Planted.swift"
    #expect(Layers.findings(file("import KVServer\n", path)).count == 1)
    #expect(Layers.findings(file("import KVSimulator\n", path)).isEmpty)
  }

  @Test func aForbiddenDependencyInThePackageIsFound() {
    let bad = "    library(\"KVRaft\", [\"KVBase\", \"KVWire\"]),\n"
    #expect(Layers.manifestFindings(file(bad, "Package.swift")).count == 1)
    let good = "    tool(\"kvnode\", [\"KVServer\", \"KVCommandLine\"]),\n"
    #expect(Layers.manifestFindings(file(good, "Package.swift")).isEmpty)
  }

  // Sizes.

  @Test func aLongLineIsFound() {
    #expect(Sizes.lineFindings(file(String(repeating: "x", count: 101))).count == 1)
    #expect(Sizes.lineFindings(file(String(repeating: "ä", count: 100))).isEmpty)
  }

  @Test func aLongFileIsFound() {
    #expect(Sizes.fileFindings(file(String(repeating: "let x\n", count: 601))).count == 1)
    #expect(Sizes.fileFindings(file(String(repeating: "let x\n", count: 401))).count == 1)
    #expect(Sizes.fileFindings(file(String(repeating: "let x\n", count: 400))).isEmpty)
  }

  @Test(arguments: [
    "func f() {", "init(a: Int) {", "init?(a: Int) throws(E) {", "deinit {",
    "static func f<T>(_ a: T)\n  -> Int where T: P {", "func f(\n  a: Int, b: (Int) -> Int\n) {",
    "func f(_ a: Int = { 1 }()) async\n{",
  ])
  func aLongFunctionIsFound(_ head: String) {
    let own = head.split(separator: "\n").count
    func function(_ lines: Int) -> String {
      "struct S {\n\(head)\n" + String(repeating: "  work { 1 }\n", count: lines - own - 1)
        + "}\n}\n"
    }
    #expect(Sizes.functionFindings(file(function(71))).count == 1)
    #expect(Sizes.functionFindings(file(function(71))).first?.line == 2)
    #expect(Sizes.functionFindings(file(function(70))).isEmpty)
  }

  @Test func whatHasNoBodyIsNotAFunction() {
    let text = """
      protocol P {
        func f(a: Int) -> Int
        init(b: Int)
      }
      struct S { let a = T.init(1) }
      """
    #expect(FunctionScanner.functions(in: file(text)).isEmpty)
  }

  // Words.

  private static let anywhere = "Sources/KVServer/Planted.swift"
  private static let core = "Sources/KVRaft/Planted.swift"

  /// A word that must not stand in this file either is broken by a `~`.
  private static let banned: [(String, String)] = [
    (anywhere, "let x = try! f()"), (anywhere, "fatalError(\"no\")"), (anywhere, "assert(x)"),
    (anywhere, "let x = y as! Z"), (anywhere, "// TO~DO later"), (anywhere, "// FIX~ME"),
    (anywhere, "print(1)"), ("Package.swift", "  .unsafe~Flags([])"),
    ("deploy/planted", "swift build -Xswiftc -O~unchecked"),
    (core, "let now = Date()"), (core, "let c = ContinuousClock()"),
    (core, "Int.random(in: 0..<9)"), (core, "list.shuffled()"), (core, "list.randomElement()"),
    (core, "x.hashValue"), (core, "func f(_ a: any P)"), (core, "func f() async {"),
    (core, "await f()"), (core, "let m = Mutex(1)"), (core, "let m = Locked(1)"),
    (anywhere.replacing("KVServer", with: "KVLoop"), "let m = Mutex(1)"),
    ("Tests/KVLoopTests/Planted.swift", "let m = Mutex(1)"), (core, "f(_ done: @escaping Done)"),
    (core, "unsafe bytes.withUnsafeBytes { 1 }"), (core, "let text = \"\\(Date())\""),
    ("Sources/KVSimulator/Planted.swift", "Bool.random()"),
    ("Sources/KVBase/Planted.swift", "let x: any P"),
    ("Sources/KVState/Planted.swift", "let now = Date()"),
    ("Tests/KVRaftTests/Planted.swift", "let x = try! f()"),
    ("deploy/planted", "cd /~root/kv"), ("README.md", "see /~home/me/kv"),
    (anywhere, "let path = \"/~tmp/kv\""), ("README.md", "see DESIGN~.md"),
    (".ci/run", "cd /~work/kv"),
  ]

  @Test(arguments: banned)
  func aBannedWordIsFound(_ path: String, _ line: String) {
    let whole = line.replacing("~", with: "")
    #expect(Banned.findings(file("\n\(whole)\n", path)).map(\.line) == [2])
  }

  private static let allowed: [(String, String)] = [
    ("Sources/KVState/Planted.swift", "let m = Locked(1)"), (anywhere, "let x = try f()"),
    (anywhere, "// try! is banned"), (anywhere, "let d = Date()"),
    (anywhere, "let s = \"fatalError(\""), (anywhere, "blueprint(1)"), (anywhere, "/* as! */"),
    ("Sources/kvctl/main.swift", "print(1)"), (core, "list.shuffled(using: &random)"),
    (core, "let many = 1"), (core, "precondition(a == b)"), (core, "random.below(9)"),
    ("Tests/KVRaftTests/Planted.swift", "print(1)"), (anywhere, "func f(_ a: any P)"),
    ("deploy/planted", "cd \"$root/build\""), (core, "let isUnsafe = 1"),
  ]

  @Test(arguments: allowed)
  func itsNeighbourPasses(_ path: String, _ line: String) {
    #expect(Banned.findings(file("\n\(line)\n", path)).isEmpty)
  }

  // Iteration.

  @Test(arguments: [
    "var peers: [NodeID: Peer]\nfor (id, peer) in peers {",
    "var votes: Set<NodeID> = []\nfor vote in self.votes where vote != me {",
    "var votes = Set<NodeID>()\nlet all = votes.map { $0 }",
    "var peers = [NodeID: Peer]()\nlet all = peers.values.filter { $0.isLive }",
    "var peers: [NodeID: [Int]] = [:]\nfor id in peers.keys {",
  ])
  func iteratingADictionaryInACoreIsFound(_ text: String) {
    #expect(Iteration.findings([file(text)]).map(\.line) == [2])
  }

  @Test func iteratingInAnotherFileOfTheTypeIsFound() {
    let state = file("var peers: [NodeID: Peer]", "Sources/KVRaft/Group.swift")
    let more = file("for p in peers {", "Sources/KVRaft/Group+Votes.swift")
    let other = file("for p in peers {", "Sources/KVRaft/Other.swift")
    #expect(Iteration.findings([state, more, other]).map(\.path) == [more.path])
  }

  @Test(arguments: [
    "var peers: [Peer]\nfor peer in peers {",
    "var peers: [NodeID: Peer]\nfor id in peers.keys.sorted() {",
    "var peers: [NodeID: Peer]\nlet one = peers[id]",
    "var votes: Set<NodeID> = []\nlet one = votes.contains(id)",
  ])
  func whatHasAnOrderPasses(_ text: String) {
    #expect(Iteration.findings([file(text)]).isEmpty)
  }

  // Comments and strings.

  @Test(arguments: [
    ("a // b", "a     "), ("a /* b /* c */ d */ e", "a                   e"),
    ("x = \"a\\\"b\" + c", "x = \"    \" + c"), ("\"\\(f(\"x\")) y\"", "\" (f(\" \"))  \""),
    ("#\"a\"b\\(c)\"# d", "#\"       \"# d"), ("\"//\" a", "\"  \" a"),
  ])
  func commentsAndStringsAreBlanked(_ text: String, _ code: String) {
    #expect(CodeOnly.blanked(Array(text.utf8)) == Array(code.utf8))
  }

  @Test func linesStayWhereTheyAre() {
    let text = "a\n\"\"\"\n  b \"c\" \\(d)\n  \"\"\"\n/* e\nf */ g\n"
    let code = "a\n\"\"\"\n         (d)\n  \"\"\"\n    \n     g\n"
    #expect(CodeOnly.blanked(Array(text.utf8)) == Array(code.utf8))
  }
}
