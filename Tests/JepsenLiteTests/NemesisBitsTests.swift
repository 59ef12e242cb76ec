import Foundation
import JepsenFaults
import Testing

@testable import JepsenLite

@Suite struct NemesisBitsTests {
  @Test func aBitIsSetRightUnlessThePlaceWasWrittenAnew() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/bits-\(UUID().uuidString)"
    #expect(Scratch.makeDirectory(folder) && Scratch.makeDirectory(folder + "/data"))
    defer { Scratch.remove(folder) }
    let path = folder + "/data/file"
    let before = String(repeating: "what stands in the file, line for line\n", count: 100)
    Scratch.append(before, to: path)
    func flip(_ seed: UInt64) throws -> DamagedBit {
      let rot = try BitRot.flip(
        below: folder + "/data", of: "", bits: 1, seed: seed, backup: folder + "/backup")
      return DamagedBit(try #require(rot.flips.first))
    }
    let first = try flip(1)
    #expect(Scratch.read(path) != before)
    // The file may grow meanwhile, and keeps what it has become.
    Scratch.append("more", to: path)
    #expect(first.restore())
    #expect(Scratch.read(path) == before + "more")
    #expect(!first.restore(), "it is right already")

    let second = try flip(2)
    let anew = String(repeating: "something else altogether\n", count: 200)
    Scratch.remove(path)
    Scratch.append(anew, to: path)
    #expect(!second.restore())
    #expect(Scratch.read(path) == anew)
  }
}
