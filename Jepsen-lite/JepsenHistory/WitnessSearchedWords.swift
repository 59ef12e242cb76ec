/// Sentences for violations that were found by searching.
enum SearchedWords {
  private static let manySentences = 12

  static func facts(_ operations: [HistoryOperation]) -> [String] {
    let words = WitnessWords(operations, [], initial: 0)
    let shown = operations.indices.prefix(manySentences).map { words.fact($0) }
    let more = operations.count - shown.count
    return more > 0 ? shown + ["And \(more) more operations."] : shown
  }

  static func claim(isFromAnyState: Bool, count: Int, _ isIrreducible: Bool) -> [String] {
    var sentences: [String] = []
    if isFromAnyState {
      sentences.append("It makes no difference what had ended before the first of these began.")
    }
    sentences.append(
      "Nothing else that was under way at the time, done or not, would explain it.")
    sentences.append(necessity(count, isIrreducible))
    return sentences
  }

  static func necessity(_ count: Int, _ isIrreducible: Bool) -> String {
    if !isIrreducible {
      return "Some of these may not be needed: there was no time to try without each."
    }
    return count == 1
      ? "It is enough by itself." : "Without any one of these, the rest could be explained."
  }
}
