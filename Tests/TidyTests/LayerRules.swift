/// The layers of ARCHITECTURE.md: what each module may import. A module may also import what those
/// import.
enum Layers {
  static let table: [(module: String, imports: [String])] = [
    ("CRocksDB", []), ("CLibUV", []), ("CXXHash", []), ("CMalloc", []), ("CEpoll", []),
    ("KVBase", ["CXXHash"]),
    ("KVCommand", ["KVBase"]),
    ("KVRaft", ["KVBase"]),
    ("KVGossip", ["KVBase"]),
    ("KVPlacement", ["KVBase"]),
    ("KVQuorum", ["KVBase"]),
    ("KVSaga", ["KVBase"]),
    ("KVWire", ["KVCommand"]),
    ("KVLink", ["KVWire"]),
    ("KVLog", ["KVBase"]),
    ("KVState", ["KVCommand", "KVQuorum", "KVSaga"]),
    ("KVClientCore", ["KVLink", "KVPlacement"]),
    (
      "KVNodeCore",
      ["KVLink", "KVLog", "KVState", "KVRaft", "KVGossip", "KVPlacement", "KVQuorum", "KVSaga"]
    ),
    ("KVRocks", ["KVState", "CRocksDB"]),
    ("KVFiles", ["KVLog"]),
    ("KVLoop", ["KVBase", "CLibUV"]),
    ("KVServer", ["KVNodeCore", "KVLoop", "KVRocks", "KVFiles", "CMalloc"]),
    ("JepsenHistory", ["KVBase"]),
    ("KVSimulator", ["KVNodeCore", "KVClientCore", "JepsenHistory"]),
    ("KVClient", ["KVClientCore", "KVLoop"]),
    ("KVCommandLine", ["KVClient"]),
    ("kvnode", ["KVServer", "KVCommandLine"]),
    ("kvctl", ["KVClient", "KVCommandLine"]),
    ("kvbench", ["KVClient", "KVCommandLine"]),
    ("JepsenNetwork", ["KVBase", "CEpoll"]),
    ("FaultControl", []),
    ("JepsenFaults", ["KVBase", "FaultControl"]),
    ("JepsenReport", ["JepsenHistory"]),
    (
      "JepsenLite",
      [
        "KVClient", "KVCommandLine", "KVSimulator", "JepsenHistory", "JepsenNetwork",
        "JepsenFaults", "JepsenReport",
      ]
    ),
    ("jepsen-lite", ["JepsenLite"]),
  ]

  /// Modules that decide and therefore read nothing from the machine: no Foundation, C library,
  /// lock or thread.
  static let cores: Set<String> = [
    "KVCommand", "KVRaft", "KVGossip", "KVPlacement", "KVQuorum", "KVSaga", "KVLink",
    "KVClientCore", "KVNodeCore",
  ]

  /// Modules that run in simulation beside the cores: no Foundation or C library either, but locks.
  static let simulated: Set<String> = ["KVWire", "KVLog", "KVState", "KVSimulator"]

  /// Modules that call the system: files, sockets, threads, signals.
  private static let system: Set<String> = [
    "KVBase", "KVRocks", "KVFiles", "KVLoop", "KVServer", "KVClient", "KVCommandLine", "JepsenLite",
    "JepsenHistory", "JepsenNetwork", "JepsenFaults", "JepsenReport",
    "kvnode", "kvctl", "kvbench", "jepsen-lite",
  ]
  private static let systemLibraries: Set<String> = ["Glibc", "Musl", "Darwin", "Dispatch"]

  /// What a module may import, directly or through another; nil where the table lacks it.
  static func reachable(from module: String) -> Set<String>? {
    guard let row = table.first(where: { $0.module == module }) else { return nil }
    var all = Set(row.imports)
    for name in row.imports { all.formUnion(reachable(from: name) ?? []) }
    return all
  }

  /// A system library is for the one module that wraps it.
  private static func isOwnSystemLibrary(_ name: String, _ module: String) -> Bool {
    table.contains { $0.module == module && $0.imports.contains(name) }
  }

  static func findings(_ file: SourceFile) -> [Finding] {
    guard file.isSource else { return [] }
    guard let allowed = reachable(from: file.module) else {
      return [file.finding(0, "module \(file.module) is not in the layer table: add its row")]
    }
    var result: [Finding] = []
    for (number, name) in imports(of: file) {
      if let reason = refusal(of: name, in: file.module, allowed: allowed) {
        result.append(file.finding(number, "\(file.module) imports \(name): \(reason)"))
      }
    }
    return result
  }

  private static func refusal(
    of name: String, in module: String, allowed: Set<String>
  ) -> String? {
    if table.contains(where: { $0.module == name }) {
      if name.hasPrefix("C"), !isOwnSystemLibrary(name, module) {
        return "a C library is imported only by the module that wraps it"
      }
      return allowed.contains(name) ? nil : "its row of the layer table does not reach that"
    }
    if name == "Synchronization" {
      return cores.contains(module) ? "a core is pure: state is owned by one worker" : nil
    }
    if name == "Foundation" {
      return cores.contains(module) || simulated.contains(module)
        ? "what runs in simulation takes values as inputs" : nil
    }
    if systemLibraries.contains(name) {
      return system.contains(module) ? nil : "only modules that call the system may"
    }
    return "there is no such module in the layer table, and no outside packages are used"
  }

  /// What a file imports, by line.
  static func imports(of file: SourceFile) -> [(line: Int, module: String)] {
    var result: [(line: Int, module: String)] = []
    for at in file.code.offsets(of: "import ") {
      let line = file.line(at: at)
      if let name = importedModule(file.code(ofLine: line)) { result.append((line, name)) }
    }
    return result
  }

  /// The module of an import line, whatever stands before `import`.
  static func importedModule(_ line: String) -> String? {
    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
    guard let keyword = words.firstIndex(of: "import"), keyword + 1 < words.count else {
      return nil
    }
    let before: Set<Substring> = ["package", "internal", "private", "fileprivate", "public"]
    guard words[..<keyword].allSatisfy({ before.contains($0) || $0.hasPrefix("@") }) else {
      return nil
    }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "typealias"]
    let named = kinds.contains(words[keyword + 1]) ? keyword + 2 : keyword + 1
    guard named < words.count else { return nil }
    return words[named].split(separator: ".").first.map(String.init)
  }

  /// The dependencies that `Package.swift` gives to each module of the table must be those of the
  /// table, or fewer.
  static func manifestFindings(_ file: SourceFile) -> [Finding] {
    guard file.path == "Package.swift" else { return [] }
    var result: [Finding] = []
    for number in 0..<file.lineCount {
      let line = file.text(ofLine: number)
      let quoted = line.split(separator: "\"", omittingEmptySubsequences: false)
      let opening = quoted[0].trimmingPrefix { $0 == " " }
      guard opening == "library(" || opening == "tool(", quoted.count > 2 else { continue }
      let names = quoted.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
      let allowed = table.first { $0.module == names[0] }?.imports
      for name in names.dropFirst() where !name.contains("/") {
        guard let allowed, !allowed.contains(name) else { continue }
        result.append(file.finding(number, "\(names[0]) depends on \(name): not in its row"))
      }
    }
    return result
  }
}
