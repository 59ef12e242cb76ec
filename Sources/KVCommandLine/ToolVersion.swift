/// The version of the project, and of every tool in it.
package enum ToolVersion {
  package static let current = "0.1.0"
}
