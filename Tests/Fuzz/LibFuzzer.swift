#if LIBFUZZER
  import KVBase

  /// The entry that libFuzzer calls, which brings its own `main`. Built, with a scratch path of its
  /// own, by `KV_FUZZ=1 swift build -c release --sanitize=fuzzer --product wire-fuzz`, and run as
  /// `SWIFT_BACKTRACE=enable=no wire-fuzz -max_total_time=600 CORPUS`: without the runtime's own
  /// crash handler, the input that trapped is saved as `crash-…`, and repeated by naming it.
  @c(LLVMFuzzerTestOneInput)
  public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    FuzzTarget.runChosen(Bytes(input))
    return 0
  }

  /// Now and then gives the run a valid input, so that it need not guess the formats.
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
