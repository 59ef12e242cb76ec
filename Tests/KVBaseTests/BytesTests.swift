import KVBase
import Testing

@Suite struct BytesTests {
  @Test func slicesShareTheBufferAndCountFromTheirOwnStart() {
    let whole = Bytes([10, 11, 12, 13, 14, 15])
    let slice = whole[1..<5]
    #expect(slice.count == 4)
    #expect(slice[0] == 11 && slice[3] == 14)
    #expect(slice[1..<3].array == [12, 13])
    #expect(slice[4..<4].isEmpty)
    #expect(slice.detached() == slice)
    #expect(whole[0..<6] == whole)
  }

  @Test func slicingCopiesNothing() {
    let whole = Bytes([UInt8](repeating: 7, count: 1000))
    let slice = whole[100..<200]
    let (first, second) = unsafe whole.withUnsafeBytes { a in
      unsafe slice.withUnsafeBytes { b in
        (UInt(bitPattern: a.baseAddress) + 100, UInt(bitPattern: b.baseAddress))
      }
    }
    #expect(first == second)
    let own = unsafe slice.detached().withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    #expect(own != second)
  }

  @Test func equalBytesAreEqualWhereverTheyLie() {
    let a = Bytes([1, 2, 3, 4])[1..<3]
    let b = Bytes([2, 3])
    #expect(a == b && a.hashValue == b.hashValue)
    #expect(Set([a, b]).count == 1)
    #expect(Bytes() == a[0..<0])
    #expect(a != Bytes([2, 3, 0]) && a != Bytes([2, 4]))
  }

  /// As RocksDB orders keys: by unsigned byte, a prefix before what it begins.
  @Test func theOrderIsThatOfTheDumbComparison() {
    var random = SeededRandom(seed: 3)
    func some() -> [UInt8] {
      (0..<random.below(4)).map { _ in [0, 1, 127, 128, 255][Int(random.below(5))] }
    }
    for _ in 0..<3_000 {
      let (a, b) = (some(), some())
      // Slices of a longer buffer, so that what lies around them is there to be read by mistake.
      let left = Bytes([9] + a + [9])[1..<a.count + 1]
      let right = Bytes([8, 8] + b + [0])[2..<b.count + 2]
      #expect((left < right) == a.lexicographicallyPrecedes(b), "\(a) \(b)")
      #expect((left == right) == (a == b), "\(a) \(b)")
    }
  }

  @Test func integersAreBigEndian() {
    let bytes = Bytes([0, 1, 2, 3, 4, 5, 6, 7, 8])
    #expect(bytes.load(UInt16.self, at: 0) == 0x0001)
    #expect(bytes[1..<9].load(UInt64.self, at: 0) == 0x0102_0304_0506_0708)
    #expect(bytes.load(UInt32.self, at: 5) == 0x0506_0708)
    #expect(Bytes([0xff, 0xfe]).load(Int16.self, at: 0) == -2)
  }

  @Test func textAndPrefixes() {
    #expect(Bytes("grün").text == "grün")
    #expect(Bytes([0xff]).text == nil)
    #expect(Bytes("").text == "")
    #expect(Bytes("user:1").hasPrefix("user:"))
    #expect(Bytes("user").hasPrefix("user") && Bytes("user").hasPrefix(""))
    #expect(!Bytes("use").hasPrefix("user"))
  }

  @Test func whatIsShown() {
    #expect(Bytes("a b").description == "\"a b\"")
    #expect(Bytes([0, 0xab]).description == "0x00ab")
    #expect(Bytes("").description == "\"\"")
    #expect(Bytes([0xff, 0x0a]).hexadecimal == "ff0a")
    let long = Bytes(String(repeating: "x", count: 100)).description
    #expect(long.hasSuffix("… (100 bytes)") && long.count < 100)
  }

  @Test func theHashIsThatOfTheLibrary() {
    // XXH3-64 of nothing and of "a", as published with xxHash.
    #expect(XXH3.hash(Bytes()) == 0x2d06_8005_38d3_94c2)
    #expect(XXH3.hash(Bytes("a")) == 0xe6c6_32b6_1e96_4e1f)
    #expect(XXH3.hash(Bytes("xay")[1..<2]) == XXH3.hash(Bytes("a")))
  }
}

/// What a caller does wrong stops the process, in release too.
@Suite struct BytesPreconditionTests {
  @Test func aByteBeyondTheSliceIsRefused() async {
    await #expect(processExitsWith: .failure) { _ = Bytes([1, 2, 3])[0..<2][2] }
  }
  @Test func aNegativeOffsetIsRefused() async {
    await #expect(processExitsWith: .failure) { _ = Bytes([1, 2, 3])[1..<3][-1] }
  }
  @Test func aSliceBeyondTheSliceIsRefused() async {
    await #expect(processExitsWith: .failure) { _ = Bytes([1, 2, 3])[0..<2][0..<3] }
  }
  @Test func anIntegerBeyondTheSliceIsRefused() async {
    await #expect(processExitsWith: .failure) {
      _ = Bytes([1, 2, 3])[0..<2].load(UInt32.self, at: 0)
    }
  }
}
