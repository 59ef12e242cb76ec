/// Configurations already met, in one flat array.
///
/// Of two that agree in state, position and the updates that are linearized, one is at least as
/// good if it has used no more of any class and has all free that the other has free
/// (`SearchExpansion`): whatever explains the rest from the other explains it from this one. So
/// only those are kept that no other surpasses.
struct ConfigurationStore {
  private static let dead = UInt64.max

  let stride: Int
  /// State, position and the updates that are linearized.
  private let keyWords: Int
  /// Where the bits of what is free end, and the counts of the classes begin.
  private let freeEnd: Int
  private(set) var words: [UInt64] = []
  private(set) var count = 0
  private var next: [Int32] = []
  private var heads: [Int32]
  /// What was put into `heads` before the last reset doesn't count.
  private var stamps: [UInt32]
  private var generation: UInt32 = 1

  init(_ space: SearchSpace) {
    stride = space.stride
    keyWords = 2 + space.slotWords
    freeEnd = keyWords + space.slotWords
    heads = Array(repeating: -1, count: 64)
    stamps = Array(repeating: 0, count: 64)
  }

  var bytes: Int { words.count * 8 + next.count * 4 + heads.count * 8 }

  mutating func reset() {
    words.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    count = 0
    if generation == UInt32.max {
      for position in stamps.indices { stamps[position] = 0 }
      generation = 0
    }
    generation += 1
  }

  /// Copies configuration `index` into `target`; false where a better one took its place.
  func load(_ index: Int, into target: inout [UInt64]) -> Bool {
    let from = index * stride
    if words[from + 1] == Self.dead { return false }
    for word in 0..<stride { target[word] = words[from + word] }
    return true
  }

  /// False where one that is at least as good is known. `work` counts the comparisons.
  mutating func insert(_ configuration: [UInt64], work: inout Int) -> Bool {
    if count >= heads.count { grow() }
    let bucket = Self.hash(configuration, 0, keyWords) & (heads.count - 1)
    if stamps[bucket] != generation {
      stamps[bucket] = generation
      heads[bucket] = -1
    }
    var before: Int32 = -1
    var index = heads[bucket]
    while index >= 0 {
      work += 1
      let after = next[Int(index)]
      switch compare(configuration, Int(index) * stride) {
      case .knownIsBetter: return false
      case .newIsBetter:
        words[Int(index) * stride + 1] = Self.dead
        if before < 0 { heads[bucket] = after } else { next[Int(before)] = after }
      case .neither: before = index
      }
      index = after
    }
    words.append(contentsOf: configuration)
    next.append(heads[bucket])
    heads[bucket] = Int32(count)
    count += 1
    return true
  }

  private enum Comparison { case knownIsBetter, newIsBetter, neither }

  private func compare(_ new: [UInt64], _ known: Int) -> Comparison {
    for word in 0..<keyWords where new[word] != words[known + word] { return .neither }
    var knownIsBetter = true
    var newIsBetter = true
    for word in keyWords..<freeEnd {
      if new[word] & ~words[known + word] != 0 { knownIsBetter = false }
      if words[known + word] & ~new[word] != 0 { newIsBetter = false }
    }
    for word in freeEnd..<stride {
      if words[known + word] > new[word] { knownIsBetter = false }
      if words[known + word] < new[word] { newIsBetter = false }
    }
    return knownIsBetter ? .knownIsBetter : newIsBetter ? .newIsBetter : .neither
  }

  private static func hash(_ words: [UInt64], _ from: Int, _ count: Int) -> Int {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for word in from..<(from + count) {
      hash = (hash ^ words[word]) &* 0xD6E8_FEB8_6659_FD93
      hash ^= hash >> 32
    }
    return Int(truncatingIfNeeded: hash >> 1)
  }

  private mutating func grow() {
    heads = Array(repeating: -1, count: heads.count * 4)
    stamps = Array(repeating: generation, count: heads.count)
    for index in 0..<count where words[index * stride + 1] != Self.dead {
      let bucket = Self.hash(words, index * stride, keyWords) & (heads.count - 1)
      next[index] = heads[bucket]
      heads[bucket] = Int32(index)
    }
  }
}
