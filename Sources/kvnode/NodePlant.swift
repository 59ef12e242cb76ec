import KVCommandLine
import KVServer

#if PlantedFaults
  import KVBase
  import KVNodeCore
#endif

/// A fault that is built in on purpose, named by the environment. Only a build with the package
/// trait `PlantedFaults` has any; another one refuses to start, so that nobody takes it for faulty.
enum NodePlant {
  static let variable = NodeFlags.environmentPrefix + "PLANT"

  /// What to say of it in the log; `nil` where none is asked for.
  static func plant(
    in configuration: inout ServerConfiguration, environment: [String: String]
  ) throws(UsageError) -> String? {
    guard let name = environment[variable], !name.isEmpty else { return nil }
    #if PlantedFaults
      guard let fault = PlantedFault(rawValue: name) else {
        let known = PlantedFault.allCases.map(\.rawValue).joined(separator: ", ")
        throw UsageError("\(variable): there is no fault '\(name)' to plant; there are \(known)")
      }
      guard fault.isPlanted(in: configuration.node.node) else { return nil }
      configuration.plantedFault = fault
      return "A FAULT IS PLANTED IN THIS NODE: \(name). IT WILL BREAK ITS PROMISES, AND MUST NOT "
        + "HOLD DATA THAT ANYBODY NEEDS."
    #else
      throw UsageError(
        "\(variable) asks for the planted fault '\(name)', and this build has none: unset it, or "
          + "build with --traits PlantedFaults")
    #endif
  }
}
