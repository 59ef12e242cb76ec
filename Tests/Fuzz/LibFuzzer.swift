#if LIBFUZZER
  import KVBase

  /// The entry that libFuzzer calls, which brings its own `main`. Built by
  /// `KV_FUZZ=1 swift build --sanitize=fuzzer --product wire-fuzz` with a scratch path of its own.
  @c(LLVMFuzzerTestOneInput)
  public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    FuzzTarget.runChosen(Bytes(input))
    return 0
  }

  /// Gives the run its first inputs, so that it need not guess the formats.
  @c(LLVMFuzzerCustomMutator)
  public func mutateInput(
    _ data: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int, _ seed: CUnsignedInt
  ) -> Int {
    var random = SeededRandom(seed: UInt64(seed))
    guard count <= 1 || random.chance(1, in: 500) else {
      return unsafe mutateByFuzzer(data, count, limit)
    }
    let choice = Int(random.below(UInt64(FuzzTarget.all.count)))
    let seeds = FuzzTarget.all[choice].seeds()
    let bytes = [UInt8(choice)] + seeds[Int(random.below(UInt64(seeds.count)))]
    for (i, byte) in bytes.prefix(limit).enumerated() { unsafe data[i] = byte }
    return min(limit, bytes.count)
  }

  @_extern(c, "LLVMFuzzerMutate")
  private func mutateByFuzzer(
    _ data: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int
  ) -> Int
#endif
