internal import JepsenNetwork

/// One fault of a schedule, decided before the run but for whom it hits where that depends on who
/// leads then.
struct FaultPlan: Hashable, Sendable, CustomStringConvertible {
  var nemesis: String
  /// Since the load began; later where the cluster has not recovered from the fault before.
  var startMilliseconds: Int
  var lengthMilliseconds: Int
  var action: FaultAction
  /// Of what is decided during the fault.
  var seed: UInt64

  var description: String {
    "\(seconds(startMilliseconds)) s +\(seconds(lengthMilliseconds)) s \(nemesis): \(action)"
  }

  private func seconds(_ milliseconds: Int) -> String {
    "\(milliseconds / 1000).\(milliseconds % 1000 / 100)"
  }
}

/// What a fault does.
enum FaultAction: Hashable, Sendable, CustomStringConvertible {
  case partition(Partition)
  /// Links are cut one by one, and healed in another order.
  case swizzle(cut: [NodeLink], heal: [NodeLink])
  /// Cut and open in turns.
  case flapping(Partition, periodMilliseconds: Int)
  case traffic(TrafficFault)
  case kill(NodeChoice)
  case pause(NodeChoice)
  case clock(NodeChoice, ClockFault)
  /// Clocks at rates of their own, by node, in thousandths; then the leader is cut off.
  case rates([Int])
  /// The leader's clocks at so many thousandths of the true rate; then it is cut off.
  case leaderRate(Int)
  case powerLoss(NodeChoice)
  case disk(NodeChoice, DiskFault)
  case flipBits(NodeChoice, bits: Int)

  /// Whom it hits, where that is chosen when it begins. Where clocks run apart the leader is cut
  /// off in the second part.
  var choice: NodeChoice? {
    switch self {
    case .partition(let partition), .flapping(let partition, _): partition.choice
    case .kill(let choice), .pause(let choice), .powerLoss(let choice), .clock(let choice, _),
      .disk(let choice, _), .flipBits(let choice, _):
      choice
    case .rates, .leaderRate: .leader
    case .swizzle, .traffic: nil
    }
  }

  /// Faults of one family don't go together.
  enum Family: Hashable, Sendable { case network, process, clock }

  var families: Set<Family> {
    switch self {
    case .partition, .swizzle, .flapping, .traffic: [.network]
    case .kill, .pause, .powerLoss, .disk, .flipBits: [.process]
    case .clock: [.clock]
    case .rates, .leaderRate: [.clock, .network]
    }
  }

  var description: String {
    switch self {
    case .partition(let partition): "\(partition)"
    case .swizzle(let cut, let heal):
      "cut \(cut.map(\.description).joined(separator: ", ")); heal "
        + heal.map(\.description).joined(separator: ", ")
    case .flapping(let partition, let period): "\(partition), every \(period) ms"
    case .traffic(let fault): "\(fault)"
    case .kill(let choice): "kill \(choice)"
    case .pause(let choice): "stop \(choice)"
    case .clock(let choice, let fault): "\(choice): \(fault)"
    case .rates(let rates):
      "clocks run at " + rates.map { "\($0)/1000" }.joined(separator: ", ")
        + ", then the leader is cut off"
    case .leaderRate(let rate): "the leader's clocks run at \(rate)/1000, then it is cut off"
    case .powerLoss(let choice): "power loss of \(choice)"
    case .disk(let choice, let fault): "\(choice): \(fault)"
    case .flipBits(let choice, let bits): "flip \(bits) bits in a file of \(choice)"
    }
  }
}

/// What is done to traffic that still passes.
enum TrafficFault: Hashable, Sendable, CustomStringConvertible {
  case slow(delayMilliseconds: Int, jitterMilliseconds: Int)
  case throttle(bytesPerSecond: Int)
  case duplicate(perThousand: Int)
  case reorder(perThousand: Int)
  case flip(perThousand: Int)
  case reset(periodMilliseconds: Int)

  var description: String {
    switch self {
    case .slow(let delay, let jitter): "links slowed by \(delay) ms and up to \(jitter) ms more"
    case .throttle(let rate): "links held to \(rate) bytes/s"
    case .duplicate(let share): "\(share) of 1,000 frames sent twice"
    case .reorder(let share): "\(share) of 1,000 frames sent after the next one"
    case .flip(let share): "a bit flipped in \(share) of 1,000 pieces"
    case .reset(let period): "a node's connections reset every \(period) ms"
    }
  }

  var rule: LinkRule {
    var rule = LinkRule()
    switch self {
    case .slow(let delay, let jitter):
      rule.delayNanoseconds = UInt64(delay) * 1_000_000
      rule.jitterNanoseconds = UInt64(jitter) * 1_000_000
    case .throttle(let rate): rule.bytesPerSecond = rate
    case .duplicate(let share): rule.duplicatePerThousand = share
    case .reorder(let share): rule.reorderPerThousand = share
    case .flip(let share): rule.flipPerThousand = share
    case .reset:
      rule.isCut = true
      rule.resets = true
    }
    return rule
  }
}

/// What a node's clocks do.
enum ClockFault: Hashable, Sendable, CustomStringConvertible {
  /// The wall clock, once.
  case jump(milliseconds: Int)
  /// The wall clock, to and fro.
  case strobe(milliseconds: Int, periodMilliseconds: Int)

  var milliseconds: Int {
    switch self {
    case .jump(let milliseconds), .strobe(let milliseconds, _): milliseconds
    }
  }

  var description: String {
    switch self {
    case .jump(let milliseconds): "wall clock set by \(milliseconds) ms"
    case .strobe(let milliseconds, let period):
      "wall clock set to and fro by \(milliseconds) ms every \(period) ms"
    }
  }
}

/// What a node's disk does.
enum DiskFault: Hashable, Sendable, CustomStringConvertible {
  /// The next fsync fails, and all after it.
  case failSync
  /// No space for what is written.
  case full
  case slow(milliseconds: Int)
  /// One fsync takes as long as the fault.
  case stalled

  var description: String {
    switch self {
    case .failSync: "fsync fails"
    case .full: "no space on the disk"
    case .slow(let milliseconds): "every fsync takes \(milliseconds) ms longer"
    case .stalled: "fsync does not come back"
    }
  }
}
