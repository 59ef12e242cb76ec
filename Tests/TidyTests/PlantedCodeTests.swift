import Testing

/// The rules about what is declared and used catch the faults that they are there for, and let
/// their neighbours pass.
@Suite struct PlantedCodeTests {
  private static let path = "Sources/KVRaft/Planted.swift"

  private func index(_ texts: (path: String, text: String)...) -> CodeIndex {
    CodeIndex(texts.map { SourceFile(path: $0.path, text: $0.text) })
  }

  // MARK: Callers

  /// The line of the fault is the one that says so.
  @Test(arguments: [
    "func unused() {}  // here",
    "func again(_ n: Int) {  // here\n  if n > 0 { again(n - 1) }\n}",
    "struct S {\n  var unread = 1  // here\n  init() { unread = 2 }\n}\n_ = S()",
    "struct S {\n  var kept: Int  // here\n  init(kept: Int) { self.kept = kept }\n}\n"
      + "_ = S(kept: 1)",
    "struct S: Hashable {\n  var computed: Int { 1 }  // here\n}\n_ = S()",
    "enum E { case used, unused }  // here\n_ = E.used",
    "enum E {\n  case a\n  case unmade(Int)  // here\n}\nswitch E.a {\n"
      + "case .a, .unmade(_): break\n}",
    "struct Unnamed {}  // here", "typealias Alias = Int  // here",
    "struct Unnamed {  // here\n  init() { _ = Unnamed.self }\n}\nextension Unnamed {}",
    "func f(_ a: Int) {}\nfunc f(_ a: Int, by b: Int) {}  // here\nf(1)",
    "func f(a: Int) {}\nfunc f(b: Int) {}  // here\nf(a: 1)",
    "func f() {}\nfunc f(_ a: Int) {}  // here\nfunc g() { f() }\ng()",
    "func f(with body: [A: B], _ c: Int = 1) {}  // here\n_ = f(c: 1)",
    "protocol P {\n  func required()  // here\n}\n_ = P.self",
    "private func hidden() {}  // here",
    "let text = \"\"\"\n  unused()\n  \"\"\"\nfunc unused() {}  // here\n_ = text",
  ])
  func whatHasNoCallerIsFound(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let expected = lines.indices.filter { lines[$0].hasSuffix("// here") }.map { $0 + 1 }
    #expect(Callers.findings(index((Self.path, text))).map(\.line) == expected)
  }

  @Test(arguments: [
    "func used() {}\nused()", "func used(_ body: () -> Void) {}\nused { }",
    "func used(a: Int, then body: () -> Void) {}\nused(a: 1) { }",
    "func used(_ a: Int = 1, b: Int = 2) {}\nused()\nused(b: 1)",
    "func used() {}\nlet f = used\nf()",
    "func used(a: Dictionary<A, B>, b: Int) {}\nused(a: Dictionary<A, B>(), b: 1)",
    "func used(a: Int) {}\nlet f = used(a:)\nf(1)", "public func open() {}",
    "struct S { override func open() {} }\n_ = S()", "@c func open() {}",
    "struct S: CustomStringConvertible { var description: String { \"\" } }\n_ = S()",
    "struct S: Hashable { var group: Int }\n_ = S(group: 1)",
    "struct S { var group: Int }\nextension S: Equatable {}\n_ = S(group: 1)",
    "struct S { var read = 1 }\nlet s = S()\n_ = s.read",
    "struct S { var read = 1 }\nlet s = S()\n_ = \\S.read\n_ = s",
    "enum E { case a, b }\nlet e: E = x ? .a : .b\n_ = e",
    "enum E: String { case a, b }\n_ = E(rawValue: x)",
    "enum E: CaseIterable { case a }\n_ = E.allCases",
    "enum E { case a(Int) }\nlet e = E.a(1)\nif case .a(let x) = e { _ = x }",
    "func f() { let local = 1 }\nf()", "func + (a: S, b: S) -> S { a }\nstruct S {}",
    "struct S { static func `in`() {} }\nS.in()",
  ])
  func whatHasACallerPasses(_ text: String) {
    #expect(Callers.findings(index((Self.path, text))) == [])
  }

  @Test func whatOnlyTestsUseIsFoundUnlessItSaysSo() {
    let test = ("Tests/KVRaftTests/Planted.swift", "func f() { probe(); _ = T().probe }")
    func findings(_ text: String) -> [Int] {
      Callers.findings(index((Self.path, text), test)).map(\.line)
    }
    #expect(findings("func probe() {}") == [1])
    #expect(findings("/// For tests: a look inside.\nfunc probe() {}") == [])
    #expect(findings("/// Long.\n/// For tests.\n@inlinable\npackage func probe() {}") == [])
    #expect(findings("/// A type for tests.\nstruct T {\n  var probe = 1\n}") == [2, 3])
    #expect(findings("/// For tests: a type.\nstruct T {\n  var probe = 1\n}") == [])
    #expect(findings("/// For tests.\n\nfunc probe() {}") == [3])
    #expect(findings("/// For tests.\nextension T {\n  func probe() {}\n}\nstruct T {}") == [5])
  }

  @Test func aCallFromAnotherModuleCounts() {
    let caller = ("Jepsen-lite/JepsenLite/Planted.swift", "import KVRaft\nlet x = probe()\n_ = x")
    #expect(Callers.findings(index((Self.path, "func probe() {}"), caller)) == [])
  }

  @Test func anUnusedParameterIsFound() {
    func findings(_ text: String) -> [Int] {
      Callers.parameterFindings(index((Self.path, text))).map(\.line)
    }
    #expect(findings("func f(a: Int) { g() }") == [1])
    #expect(findings("func f(\n  a: Int,\n  by b: Int\n) -> Int { a }") == [3])
    #expect(findings("func f(a: Int) { g(a) }") == [])
    #expect(findings("func f(_: Int) { g() }\nfunc h(a _: Int) { g() }") == [])
    #expect(findings("func f(a: Int) {}") == [])
    // They may answer to a protocol.
    #expect(findings("protocol P { func f(a: Int) }\nstruct S: P { func f(a: Int) { g() } }") == [])
  }

  // MARK: Imports

  private static let base = (
    "Sources/KVBase/Planted.swift",
    "package struct Thing {\n  package var size = 1\n  package func grow(by n: Int) {}\n"
      + "  private var own = 1\n}\npackage func make() -> Thing { Thing() }"
  )

  @Test(arguments: [
    "import KVBase\nlet x = 1", "internal import KVBase\nlet own = thing.own",
    "import KVBase\nlet x = y.grow(to: 1)", "import KVBase\nlet size = 1",
  ])
  func anUnusedImportIsFound(_ text: String) {
    #expect(Imports.findings(index(Self.base, (Self.path, text))).map(\.line) == [1])
  }

  @Test(arguments: [
    "import KVBase\nlet x: Thing", "import KVBase\nlet x = make()", "import KVBase\nlet x = y.size",
    "import KVBase\nlet x = y.grow(by: 1)", "import Glibc\nlet x = 1", "let x = 1",
    "import KVBase\nlet x = list.map(\\.size)",
  ])
  func aUsedImportPasses(_ text: String) {
    #expect(Imports.findings(index(Self.base, (Self.path, text))) == [])
  }

  @Test func anUnusedDependencyIsFound() {
    let manifest = SourceFile(
      path: "Package.swift",
      text: """
        func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {}
        let all = [
          library("KVBase", ["CXXHash"]), .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash"),
          library("KVRaft", ["KVBase"]),
          library("KVWire", ["KVRaft"]),
          .target(
            name: "JepsenLite", dependencies: ["KVRaft", "KVWire"],
            path: "Jepsen-lite/JepsenLite", swiftSettings: settings),
          tool("kvctl", ["KVWire"]),
          tests("KVRaftTests", ["KVRaft", "kvctl"]),
        ]
        """)
    let files = [
      ("Sources/KVBase/A.swift", "import CXXHash"), ("Sources/KVRaft/A.swift", "import KVBase"),
      ("Sources/KVWire/A.swift", "import KVBase"),
      ("Jepsen-lite/JepsenLite/A.swift", "import KVWire"),
      ("Sources/kvctl/A.swift", "import KVWire"),
      ("Tests/KVRaftTests/A.swift", "@testable import KVRaft"),
    ].map { SourceFile(path: $0, text: $1) }
    #expect(Imports.manifestFindings(manifest, files).map(\.line) == [5, 6])
  }

  // MARK: Documents

  @Test func aNameThatIsGoneIsFoundInTheWayOfARequest() {
    let code = index(
      ("Sources/KVWire/A.swift", "struct Request { enum Kind { case get } }\nfunc send() {}"),
      ("Sources/KVNodeCore/A.swift", "struct NodeCore {}\nextension NodeCore { func finish() {} }"))
    func findings(_ line: String) -> Int {
      let text = "## Words\n`gone`\n## The way of a request\n\n\(line)\n\n## Layers\n`gone`\n"
      return Documents.findings(SourceFile(path: "ARCHITECTURE.md", text: text), code).count
    }
    #expect(
      findings("`KVWire.Request` `KVWire.Request.Kind.get` `NodeCore.finish` `send` `KVWire`") == 0)
    #expect(findings("`KVWire.Response` then `NodeCore.start`, `Nobody.finish` and `receive`") == 4)
    #expect(findings("`KVNodeCore.Request`") == 1)
    #expect(findings("nothing is named") == 1)
  }
}
