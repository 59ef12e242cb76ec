import Dispatch
import KVBase
import Testing

@Suite struct LockedTests {
  @Test(arguments: [false, true]) func oneThreadAtATimeHasTheValue(isFair: Bool) {
    let counter = Locked(0, isFair: isFair)
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<1000 { counter.withLock { $0 += 1 } }
    }
    #expect(counter.withLock { $0 } == 8000)
  }

  @Test func theLockIsGivenBackAfterAnError() {
    struct Refused: Error {}
    let value = Locked([1])
    #expect(throws: Refused.self) {
      try value.withLock { (value) throws(Refused) in
        value.append(2)
        throw Refused()
      }
    }
    #expect(value.withLock { $0 } == [1, 2])
  }
}
