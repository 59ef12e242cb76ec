import KVBase
import Testing

@Suite struct RingQueueTests {
  /// Against an array, the dumb queue, over many random steps.
  @Test(arguments: [1, 2, 7, 8, 9, 64])
  func behavesAsAnArray(_ limit: Int) {
    var random = SeededRandom(seed: UInt64(limit))
    var queue = RingQueue<Int>(limit: limit)
    var model: [Int] = []
    for step in 0..<20_000 {
      switch random.below(16) {
      case 0..<7:
        let fits = model.count < limit
        #expect(queue.append(step) == fits)
        if fits { model.append(step) }
      case 7..<12:
        #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
      case 12..<14:
        #expect(queue.popLast() == model.popLast())
      case 14 where !model.isEmpty:
        let position = Int(random.below(UInt64(model.count)))
        queue[position] = -step
        model[position] = -step
      case 15 where random.chance(1, in: 50):
        queue.removeAll()
        model.removeAll()
      default: break
      }
      #expect(queue.count == model.count)
      #expect(queue.isEmpty == model.isEmpty && queue.isFull == (model.count == limit))
      #expect(queue.first == model.first && queue.last == model.last)
      if step % 64 == 0 { #expect((0..<queue.count).map { queue[$0] } == model) }
    }
  }

  private final class Token {}

  @Test func whatIsTakenOutIsReleased() {
    var queue = RingQueue<Token>(limit: 8)
    weak var first: Token?
    weak var last: Token?
    do {
      let (a, b) = (Token(), Token())
      (first, last) = (a, b)
      queue.append(a)
      queue.append(b)
    }
    #expect(first != nil && last != nil)
    _ = queue.popFirst()
    #expect(first == nil && last != nil)
    _ = queue.popLast()
    #expect(last == nil)
  }

  @Test func aQueueWithoutRoomIsRefused() async {
    await #expect(processExitsWith: .failure) { _ = RingQueue<Int>(limit: 0) }
  }

  @Test func aPositionBeyondTheCountIsRefused() async {
    await #expect(processExitsWith: .failure) {
      var queue = RingQueue<Int>(limit: 4)
      queue.append(1)
      _ = queue[1]
    }
  }
}
