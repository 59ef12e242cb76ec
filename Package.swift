// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Warnings are errors where CI says so, and never on a user's newer compiler.
let strict: [SwiftSetting] =
  ProcessInfo.processInfo.environment["CI"] != nil ? [.treatAllWarnings(as: .error)] : []

let settings: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  ] + strict

/// Set when the fuzzer of the decoders is built with `--sanitize=fuzzer`, which brings a `main`.
let fuzzing: [SwiftSetting] =
  ProcessInfo.processInfo.environment["KV_FUZZ"] != nil
  ? [.define("LIBFUZZER"), .enableExperimentalFeature("Extern")] : []

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tool(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// Layered: a target imports only what its row names, and what those import.
/// `Tests/TidyTests` holds the sources against this table.
let package = Package(
  name: "kvstore",
  products: [
    .library(name: "KVClient", targets: ["KVClient"]),
    .executable(name: "kvnode", targets: ["kvnode"]),
    .executable(name: "kvctl", targets: ["kvctl"]),
    .executable(name: "kvbench", targets: ["kvbench"]),
    .executable(name: "jepsen-lite", targets: ["jepsen-lite"]),
    // Loaded into the processes that the harness disturbs.
    .library(name: "jepsen-faults", type: .dynamic, targets: ["FaultInjector"]),
  ],
  traits: [
    .trait(
      name: "PlantedFaults",
      description: "Builds in faults that the checks must catch. Never on in a release build.")
  ],
  targets: [
    // Layer 0: system libraries.
    .systemLibrary(
      name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
    .systemLibrary(name: "CLibUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CMalloc"),
    .systemLibrary(name: "CEpoll", path: "Jepsen-lite/CEpoll"),
    // Layer 1.
    library("KVBase", ["CXXHash"]),
    // Layer 2.
    library("KVCommand", ["KVBase"]),
    library("KVRaft", ["KVBase"]),
    library("KVPlacement", ["KVBase"]),
    // Layer 3.
    library("KVWire", ["KVCommand"]),
    library("KVLink", ["KVWire"]),
    library("KVLog", ["KVBase"]),
    library("KVState", ["KVCommand"]),
    // Layer 4.
    library("KVClientCore", ["KVLink", "KVPlacement"]),
    library("KVNodeCore", ["KVLink", "KVLog", "KVState", "KVRaft", "KVPlacement"]),
    library("KVRocks", ["KVState", "CRocksDB"]),
    library("KVFiles", ["KVLog"]),
    library("KVLoop", ["KVBase", "CLibUV"]),
    // Layer 5.
    library("KVServer", ["KVNodeCore", "KVLoop", "KVRocks", "KVFiles", "CMalloc"]),
    library("KVSimulator", ["KVNodeCore", "KVClientCore", "JepsenHistory"]),
    library("KVClient", ["KVClientCore", "KVLoop"]),
    // Layer 6.
    library("KVCommandLine", ["KVClient"]),
    tool("kvnode", ["KVServer", "KVCommandLine"]),
    tool("kvctl", ["KVClient", "KVCommandLine"]),
    tool("kvbench", ["KVClient", "KVCommandLine"]),
    // The harness.
    .target(
      name: "JepsenHistory", dependencies: ["KVBase"], path: "Jepsen-lite/JepsenHistory",
      swiftSettings: settings),
    .target(
      name: "JepsenNetwork", dependencies: ["KVBase", "CEpoll"], path: "Jepsen-lite/JepsenNetwork",
      swiftSettings: settings),
    .target(name: "FaultControl", path: "Jepsen-lite/FaultControl"),
    .target(
      name: "FaultInjector", dependencies: ["FaultControl"], path: "Jepsen-lite/FaultInjector"),
    .target(
      name: "JepsenFaults", dependencies: ["KVBase", "FaultControl"],
      path: "Jepsen-lite/JepsenFaults", swiftSettings: settings),
    .target(
      name: "JepsenReport", dependencies: ["JepsenHistory"], path: "Jepsen-lite/JepsenReport",
      swiftSettings: settings),
    .target(
      name: "JepsenLite",
      dependencies: [
        "KVClient", "KVCommandLine", "KVSimulator", "JepsenHistory", "JepsenNetwork",
        "JepsenFaults",
        "JepsenReport",
      ],
      path: "Jepsen-lite/JepsenLite", swiftSettings: settings),
    tool("jepsen-lite", ["JepsenLite"], path: "Jepsen-lite/jepsen-lite"),
    // Tests.
    .executableTarget(
      name: "wire-fuzz", dependencies: ["KVNodeCore"], path: "Tests/Fuzz",
      swiftSettings: settings + fuzzing),
    // What the faults of disk and clocks are tried on.
    .executableTarget(name: "fault-probe", path: "Tests/FaultProbe"),
    // What encoded bytes are held against.
    .target(name: "GoldenBytes", path: "Tests/GoldenBytes", swiftSettings: settings),
    tests("TidyTests", []),
    tests("KVBaseTests", ["KVBase"]),
    tests("KVCommandTests", ["KVCommand"]),
    tests("KVRaftTests", ["KVRaft"]),
    tests("KVPlacementTests", ["KVPlacement"]),
    tests("KVWireTests", ["KVWire", "GoldenBytes"]),
    tests("KVLinkTests", ["KVLink"]),
    tests("KVLogTests", ["KVFiles"]),
    tests("KVStateTests", ["KVRocks"]),
    tests("KVClientCoreTests", ["KVClientCore"]),
    tests("KVClientTests", ["KVClient"]),
    tests("KVCommandLineTests", ["KVCommandLine"]),
    tests("KVNodeCoreTests", ["KVNodeCore", "GoldenBytes"]),
    tests("KVLoopTests", ["KVLoop", "KVWire"]),
    tests("KVServerTests", ["KVServer"]),
    tests("KVNodeTests", ["kvnode"]),
    tests("KvctlTests", ["kvctl"]),
    tests("KVSimulatorTests", ["KVSimulator"]),
    tests("JepsenHistoryTests", ["JepsenHistory"]),
    tests("JepsenNetworkTests", ["JepsenNetwork"]),
    tests("JepsenFaultsTests", ["JepsenFaults", "fault-probe", "kvnode", "kvctl"]),
    tests("JepsenReportTests", ["JepsenReport"]),
    tests("JepsenLiteTests", ["JepsenLite"]),
  ]
)
