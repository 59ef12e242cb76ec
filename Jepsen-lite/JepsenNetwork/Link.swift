internal import KVBase

/// From one endpoint to another.
struct LinkName: Hashable, Sendable {
  var from: Endpoint
  var to: Endpoint
  var reversed: LinkName { LinkName(from: to, to: from) }
}

/// What holds for a directed link, whatever connections carry it.
final class Link {
  let name: LinkName
  private(set) var rule = LinkRule.open
  /// The rule lets bytes pass as they come.
  private(set) var isPlain = true
  var counters = LinkCounters()
  var bucket = TokenBucket()

  init(name: LinkName) { self.name = name }

  func set(_ rule: LinkRule, now: UInt64) {
    if rule.bytesPerSecond != self.rule.bytesPerSecond {
      bucket = TokenBucket(rate: rule.bytesPerSecond, now: now)
    }
    self.rule = rule
    isPlain = rule.isPlain
  }

  /// When bytes that arrived then may go on; never before those that came before them.
  func release(of arrival: UInt64, after last: UInt64, _ random: inout SeededRandom) -> UInt64 {
    var time = arrival
    if rule.delayNanoseconds > 0 { time += rule.delayNanoseconds }
    if rule.jitterNanoseconds > 0 { time += random.below(rule.jitterNanoseconds + 1) }
    return max(time, last)
  }

  /// Bytes of one direction of a connection that may wait.
  var waitingBytes: Int {
    if rule.isCut { return NetworkLimits.heldBytes }
    if rule.bytesPerSecond > 0 { return NetworkLimits.throttledBytes(rate: rule.bytesPerSecond) }
    return NetworkLimits.waitingBytes
  }
}

/// Lets bytes pass at a rate, in bursts of at most a twentieth of a second.
struct TokenBucket {
  private var rate = 0.0
  private var tokens = 0.0
  private var filled: UInt64 = 0

  /// Lets everything pass.
  init() {}

  init(rate: Int, now: UInt64) {
    self.rate = Double(rate)
    filled = now
  }

  private var capacity: Double { max(1, rate / 20) }

  /// How many of these may pass now; `consume` says how many did.
  mutating func allowance(of count: Int, now: UInt64) -> Int {
    guard rate > 0 else { return count }
    if now > filled {
      tokens = min(capacity, tokens + Double(now - filled) / 1e9 * rate)
      filled = now
    }
    return min(count, Int(tokens))
  }

  mutating func consume(_ count: Int) {
    if rate > 0 { tokens -= Double(count) }
  }

  /// When it is worth asking again: for a packet, or for what the bucket holds.
  func nextTime(for count: Int) -> UInt64 {
    let worth = min(Double(count), 1460, capacity)
    return filled + UInt64(max(0, worth - tokens) / rate * 1e9) + 1
  }
}
