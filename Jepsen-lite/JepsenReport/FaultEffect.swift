internal import JepsenHistory

/// How a fault was felt by clients.
package struct FaultEffect: Hashable, Sendable {
  /// Of the operations begun while it lasted, the share that was answered.
  package var availability: Double?
  /// The longest time without any answer that touches the fault.
  package var longestGapNanoseconds: UInt64
  /// From its end until answers came at three quarters of the usual rate again; `nil`: not seen.
  package var recoveryNanoseconds: UInt64?
}

/// Answers over time, in slots of 100 ms.
struct Service {
  private static let width: UInt64 = 100_000_000
  /// Over so many slots the rate of answers is judged.
  private static let window = 3

  private var answered: [Int]
  private var answerTimes: [UInt64] = []
  private var begun: [(start: UInt64, isAnswered: Bool)] = []

  init(_ history: [HistoryOperation], until end: UInt64) {
    answered = Array(repeating: 0, count: Int(end / Self.width) + 1)
    for operation in history {
      let isAnswered = operation.outcome == .ok || operation.outcome == .mismatch
      begun.append((operation.startNanoseconds, isAnswered))
      if isAnswered, let time = operation.endNanoseconds {
        answerTimes.append(time)
        answered[min(answered.count - 1, Int(time / Self.width))] += 1
      }
    }
    answerTimes.sort()
    begun.sort { $0.start < $1.start }
  }

  func effect(of fault: FaultRecord, among faults: [FaultRecord]) -> FaultEffect {
    let during = begun.filter {
      $0.start >= fault.startNanoseconds && $0.start < fault.endNanoseconds
    }
    let count = during.count { $0.isAnswered }
    return FaultEffect(
      availability: during.isEmpty ? nil : Double(count) / Double(during.count),
      longestGapNanoseconds: longestGap(fault),
      recoveryNanoseconds: recovery(fault, faults))
  }

  private func longestGap(_ fault: FaultRecord) -> UInt64 {
    var longest: UInt64 = 0
    var last: UInt64 = 0
    for time in answerTimes {
      if time > fault.startNanoseconds, last < fault.endNanoseconds {
        longest = max(longest, time - last)
      }
      last = time
    }
    if last < fault.endNanoseconds, let end = begun.last?.start, end > last {
      longest = max(longest, end - last)
    }
    return longest
  }

  private func recovery(_ fault: FaultRecord, _ faults: [FaultRecord]) -> UInt64? {
    let usual = usualPerSlot(without: faults)
    let first = Int(fault.endNanoseconds / Self.width)
    guard usual > 0, first < answered.count else { return nil }
    for slot in first..<answered.count where slot + Self.window <= answered.count {
      let seen = answered[slot..<slot + Self.window].reduce(0, +)
      if Double(seen) >= 0.75 * usual * Double(Self.window) {
        let time = UInt64(slot) * Self.width
        return time > fault.endNanoseconds ? time - fault.endNanoseconds : 0
      }
    }
    return nil
  }

  /// The median of the slots that no fault touches.
  private func usualPerSlot(without faults: [FaultRecord]) -> Double {
    var calm: [Int] = []
    for slot in answered.indices.dropLast() {
      let start = UInt64(slot) * Self.width
      let isTouched = faults.contains {
        // A second after its end still counts as its own.
        start + Self.width > $0.startNanoseconds && start < $0.endNanoseconds + 1_000_000_000
      }
      if !isTouched { calm.append(answered[slot]) }
    }
    guard !calm.isEmpty else { return 0 }
    calm.sort()
    return Double(calm[calm.count / 2])
  }
}
