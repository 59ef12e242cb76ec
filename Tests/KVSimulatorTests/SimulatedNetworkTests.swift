import KVBase
import KVWire
import Testing

@testable import KVSimulator

@Suite struct SimulatedNetworkTests {
  private static let second: UInt64 = 1_000_000_000

  private func payload(_ number: Int) -> SimulatedItem {
    .frame(Frame(type: .peer, stream: 0, payload: Bytes("\(number)")))
  }

  /// The network's decisions in order of time, with what arrives as numbers.
  private func arrivals(_ network: inout SimulatedNetwork) -> [(time: UInt64, number: Int)] {
    let due = network.scheduled.enumerated().sorted {
      $0.element.time != $1.element.time
        ? $0.element.time < $1.element.time : $0.offset < $1.offset
    }
    network.scheduled = []
    return due.compactMap {
      guard case .arrive(_, _, .frame(let frame)) = $0.element.event,
        let number = frame.payload.text.flatMap({ Int($0) })
      else { return nil }
      return ($0.element.time, number)
    }
  }

  private func connected(seed: UInt64 = 1) -> (SimulatedNetwork, Int) {
    var network = SimulatedNetwork(endpoints: 3, random: SeededRandom(seed: seed))
    let id = network.open(from: 0, to: 1, time: 0)
    network.scheduled = []
    return (network, id)
  }

  @Test func aConnectionKeepsItsOrder() {
    var (network, id) = connected()
    for number in 0..<2_000 {
      network.send(id, toOpener: false, payload(number), time: UInt64(number) * 1_000)
    }
    let seen = arrivals(&network)
    #expect(seen.map(\.number) == Array(0..<2_000))
    #expect(seen.allSatisfy { $0.time > UInt64($0.number) * 1_000 })
  }

  @Test func aBlockHoldsWhatIsSentAndThenLetsItBurst() {
    var (network, id) = connected()
    network.block(from: 0, to: 1)
    for number in 0..<10 { network.send(id, toOpener: false, payload(number), time: 5) }
    // The other direction is open.
    network.send(id, toOpener: true, payload(99), time: 5)
    let others = arrivals(&network).map(\.number)
    #expect(others == [99])
    #expect(network.counts.held == 10)
    network.unblock(from: 0, to: 1, time: 100_000_000)
    let burst = arrivals(&network)
    #expect(burst.map(\.number) == Array(0..<10))
    #expect(burst.allSatisfy { $0.time > 100_000_000 })
  }

  @Test func blocksAddUp() {
    var (network, id) = connected()
    network.block(from: 0, to: 1)
    network.block(from: 0, to: 1)
    network.send(id, toOpener: false, payload(1), time: 5)
    network.unblock(from: 0, to: 1, time: 10)
    let early = arrivals(&network)
    #expect(early.isEmpty)
    network.unblock(from: 0, to: 1, time: 20)
    let late = arrivals(&network)
    #expect(late.map(\.number) == [1])
  }

  @Test func aConnectionThatIsHeldTooLongBreaks() throws {
    var (network, id) = connected()
    network.block(from: 0, to: 1)
    network.send(id, toOpener: false, payload(1), time: 5)
    let stall = try #require(network.scheduled.first)
    guard case .stalled(let stalled) = stall.event else {
      Issue.record("\(stall.event) where the connection should stall")
      return
    }
    network.scheduled = []
    network.stalled(stalled, time: stall.time)
    #expect(!network.connections[id].isOpen)
    let told = network.scheduled.filter { if case .gone = $0.event { true } else { false } }
    #expect(told.count == 2)
    network.unblock(from: 0, to: 1, time: stall.time + 1)
    let late = arrivals(&network)
    #expect(late.isEmpty)
    #expect(network.counts.lostWithConnection == 1)
  }

  @Test func anUnrulyLinkLosesDoublesAndReorders() {
    var (network, id) = connected()
    network.makeUnruly(
      from: 0, to: 1, lossPerMille: 100, duplicatePerMille: 100, reorderPerMille: 100)
    let sent = 10_000
    for number in 0..<sent {
      network.send(id, toOpener: false, payload(number), time: UInt64(number) * 100_000)
    }
    let seen = arrivals(&network).map(\.number)
    let counts = network.counts
    #expect(seen.count == sent - Int(counts.lost) + Int(counts.duplicated))
    #expect((800...1_200).contains(Int(counts.lost)))
    #expect(counts.duplicated > 700 && counts.reordered > 600)
    #expect(zip(seen, seen.dropFirst()).contains { $0 > $1 })
  }

  @Test func clientsAreSparedByUnrulyLinks() {
    var (network, id) = connected()
    network.makeUnruly(
      from: 0, to: 1, lossPerMille: 1000, duplicatePerMille: 0, reorderPerMille: 0)
    network.send(
      id, toOpener: false, .frame(Frame(type: .request, stream: 1, payload: Bytes("x"))), time: 0)
    #expect(network.scheduled.count == 1)
  }

  @Test func aDeadEndpointTakesItsConnectionsAlong() {
    var (network, id) = connected()
    network.send(id, toOpener: false, payload(1), time: 5)
    network.endpointDied(1, losesPower: false, time: 6)
    let isTaken = network.delivers(id, toOpener: false)
    #expect(!isTaken)
    #expect(network.counts.lostWithConnection == 1)
    let told = network.scheduled.compactMap { due -> Bool? in
      guard case .gone(_, let toOpener, _) = due.event else { return nil }
      return toOpener
    }
    #expect(told == [true])
  }

  /// Who is told that a connection has ended.
  private func told(_ network: SimulatedNetwork) -> [Bool] {
    network.scheduled.compactMap { due -> Bool? in
      guard case .gone(_, let toOpener, _) = due.event else { return nil }
      return toOpener
    }
  }

  @Test func atMostOneSideLearnsOfAHalfOpenConnection() {
    var seen: Set<[Bool]> = []
    for seed: UInt64 in 1...30 {
      var (network, id) = connected(seed: seed)
      let ended = network.halfOpenConnections(time: 5) { _, _ in true }
      #expect(ended == 1)
      seen.insert(told(network))
      network.scheduled = []
      network.send(id, toOpener: false, payload(1), time: 6)
      network.send(id, toOpener: true, payload(1), time: 6)
      #expect(network.scheduled.isEmpty)
      #expect(network.counts.halfOpened == 1 && network.counts.lostHalfOpen == 2)
      #expect(!network.isConnected(from: 0, to: 1))
    }
    #expect(seen == [[], [true], [false]])
  }

  @Test func aMachineThatIsBackAnswersByAReset() {
    for seed: UInt64 in 1...30 {
      var (network, id) = connected(seed: seed)
      network.endpointDied(1, losesPower: true, time: 6)
      guard network.counts.halfOpened == 1 else { continue }
      #expect(told(network) == [])
      network.send(id, toOpener: false, payload(1), time: 7)
      #expect(told(network) == [])
      network.endpointIsBack(1)
      #expect(told(network) == [])
      network.send(id, toOpener: false, payload(2), time: 9)
      network.send(id, toOpener: false, payload(3), time: 9)
      #expect(told(network) == [true])
      return
    }
    Issue.record("no connection was half open")
  }

  @Test func theSameSeedGivesTheSameDelays() {
    var runs: [[UInt64]] = []
    for seed: UInt64 in [4, 4, 5] {
      var (network, id) = connected(seed: seed)
      for number in 0..<100 { network.send(id, toOpener: false, payload(number), time: 0) }
      runs.append(arrivals(&network).map(\.time))
    }
    #expect(runs[0] == runs[1])
    #expect(runs[0] != runs[2])
  }
}
