#if !LIBFUZZER
  import Glibc
  import KVBase

  /// The same targets without coverage feedback, for a machine without libFuzzer and as a quick
  /// check: `wire-fuzz [--seconds 10] [--seed 1] [--from 0]`. Every input is a function of seed and
  /// number, so a run that trapped is repeated with `--seed` and `--from` as last printed.
  @main
  struct MutationFuzzer {
    static func main() {
      var seconds = 10
      var seed: UInt64 = 1
      var number: UInt64 = 0
      var arguments = CommandLine.arguments.dropFirst()
      while let flag = arguments.popFirst() {
        let value = arguments.popFirst() ?? ""
        switch (flag, UInt64(value)) {
        case ("--seconds", let n?): seconds = Int(n)
        case ("--seed", let n?): seed = n
        case ("--from", let n?): number = n
        default:
          print("usage: wire-fuzz [--seconds N] [--seed N] [--from N]")
          exit(2)
        }
      }
      run(seconds: seconds, seed: seed, from: number)
    }

    static func run(seconds: Int, seed: UInt64, from first: UInt64) {
      let seeds = FuzzTarget.all.map { $0.seeds() }
      var wellFormed = [UInt64](repeating: 0, count: seeds.count)
      let clock = ContinuousClock()
      let end = clock.now + .seconds(seconds)
      var number = first
      repeat {
        print("seed \(seed) from \(number)")
        // Out before the next input may trap.
        fflush(nil)
        for _ in 0..<200_000 {
          var random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ number)
          let choice = Int(random.below(UInt64(seeds.count)))
          let input = mutated(seeds[choice], random: &random)
          if FuzzTarget.all[choice].run(Bytes(input)) { wellFormed[choice] += 1 }
          number += 1
        }
      } while clock.now < end
      print("\(number - first) inputs, well-formed of them:")
      for (target, count) in zip(FuzzTarget.all, wellFormed) { print("  \(target.name): \(count)") }
    }

    /// A valid input with up to eight changes, or noise.
    static func mutated(_ seeds: [[UInt8]], random: inout SeededRandom) -> [UInt8] {
      guard !random.chance(1, in: 50) else {
        return (0..<random.below(64)).map { _ in UInt8(random.below(256)) }
      }
      var bytes = seeds[Int(random.below(UInt64(seeds.count)))]
      for _ in 0...random.below(8) { change(&bytes, random: &random) }
      return bytes
    }

    private static func change(_ bytes: inout [UInt8], random: inout SeededRandom) {
      let at = Int(random.below(UInt64(bytes.count + 1)))
      guard at < bytes.count else {
        bytes.append(UInt8(random.below(256)))
        return
      }
      switch random.below(6) {
      case 0: bytes[at] = UInt8(random.below(256))
      case 1: bytes[at] ^= 1 << UInt8(random.below(8))
      case 2: bytes[at] = random.chance(1, in: 2) ? 0 : 0xff
      case 3: bytes.removeSubrange(at..<min(bytes.count, at + 1 + Int(random.below(8))))
      case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 8)], at: at)
      default: bytes.removeLast(bytes.count - at)
      }
    }
  }
#endif
