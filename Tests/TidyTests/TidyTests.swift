import Foundation
import Testing

/// Holds the repository against its own rules.
@Suite struct TidyTests {
  @Test func theSourcesAreFound() {
    #expect(Repository.files.contains { $0.path == "Package.swift" })
    #expect(Repository.files.contains { $0.path == "Sources/KVBase/Bytes.swift" })
    #expect(Repository.files.count { $0.isSource } > 20)
  }

  @Test func importsFollowTheLayers() { expectNone(Repository.files.flatMap(Layers.findings)) }

  @Test func thePackageFollowsTheLayers() {
    expectNone(Repository.files.flatMap(Layers.manifestFindings))
  }

  @Test func filesFunctionsAndLinesAreShort() {
    expectNone(Repository.files.flatMap(Sizes.findings))
  }

  @Test func longFilesExist() {
    for (path, _) in Sizes.longFiles {
      #expect(Repository.files.contains { $0.path == path }, "\(path) is gone: remove its row")
    }
  }

  @Test func bannedWordsAreAbsent() { expectNone(Repository.files.flatMap(Banned.findings)) }

  @Test func coresDoNotIterateDictionaries() { expectNone(Iteration.findings(Repository.files)) }

  @Test func declarationsHaveCallers() {
    expectNone(Callers.findings(Repository.index))
    #expect(Callers.staleExceptions(Repository.index).isEmpty)
  }

  @Test func parametersAreUsed() {
    expectNone(Callers.parameterFindings(Repository.index))
  }

  @Test func importsAreUsed() {
    expectNone(Imports.findings(Repository.index))
  }

  @Test func dependenciesAreImported() {
    for file in Repository.files where file.path == "Package.swift" {
      expectNone(Imports.manifestFindings(file, Repository.files))
    }
  }

  @Test func theWayOfARequestNamesWhatThereIs() {
    for file in Repository.files where file.path == "ARCHITECTURE.md" {
      expectNone(Documents.findings(file, Repository.index))
    }
  }

  @Test func scriptsCanBeRun() {
    for file in Repository.files
    where file.path.hasPrefix("deploy/") || file.path == ".ci/run" {
      guard file.bytes.starts(with: "#!".utf8) else { continue }
      let path = Repository.root.appending(path: file.path).path
      #expect(
        FileManager.default.isExecutableFile(atPath: path), "\(file.path) lacks its executable bit")
    }
  }

  private func expectNone(_ findings: [Finding]) {
    #expect(findings.isEmpty, "\n\(findings.map(\.description).joined(separator: "\n"))")
  }
}
