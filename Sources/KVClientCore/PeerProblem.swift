internal import KVBase
internal import KVLink
internal import KVWire

/// Why a peer can't be used at present, and since when: for sentences, each with the advice that
/// fits the cause.
struct PeerProblem: Sendable {
  enum Kind: Hashable, Sendable {
    /// Nobody listens at its address.
    case refused
    /// It closed a connection that was in use.
    case disconnected
    /// It closed the connection, or said nothing, before it had said HELLO.
    case noHello(isClosed: Bool)
    /// What it said is not the protocol.
    case notANode
    case timedOut
    /// The connection was not even opened in time.
    case unreachable
    /// The other side speaks other versions of the protocol.
    case version(String)
    /// The address leads nowhere, or to another than was expected.
    case address(String)
    /// A sentence that says what to do by itself.
    case other(String)
  }

  var kind: Kind
  var since: Instant

  /// `n2 down for 12 s`
  func describe(_ name: String, _ now: Instant) -> String {
    let age = now - since
    return kind.describe(
      name, lasting: age >= .seconds(2) ? " for \(age.milliseconds / 1000) s" : "")
  }

  /// In the order in which they are given where several fit.
  enum Advice: Hashable, Sendable, CaseIterable {
    case start, checkAddress, checkNetwork, sameRelease

    var text: String {
      switch self {
      case .start: "start what is down, or correct its address"
      case .checkAddress: "check that the address is a kvnode's"
      case .checkNetwork: "see whether it hangs, or a firewall or the network is in the way"
      case .sameRelease: "use a client of the cluster's release"
      }
    }
  }
}

extension PeerProblem.Kind {
  func describe(_ name: String, lasting: String = "") -> String {
    switch self {
    case .refused: "\(name) down\(lasting)"
    case .disconnected: "\(name) closed the connection"
    case .noHello(let isClosed):
      isClosed
        ? "\(name) closed the connection without a word"
        : "\(name) accepts connections and says nothing"
    case .notANode: "\(name) does not speak the protocol of kvnode"
    case .timedOut: "\(name) timed out\(lasting)"
    case .unreachable: "\(name) can't be reached\(lasting)"
    case .version(let text), .address(let text), .other(let text): "\(name): \(text)"
    }
  }

  /// What to do about it; `nil` where the sentence says so already, or waiting is all.
  var advice: PeerProblem.Advice? {
    switch self {
    case .refused: .start
    case .noHello, .notANode, .address: .checkAddress
    case .timedOut, .unreachable: .checkNetwork
    case .version: .sameRelease
    case .disconnected, .other: nil
    }
  }
}

extension PeerProblem.Kind {
  init(_ end: LinkEnd) {
    switch end.cause {
    case .refused: self = .refused
    case .lost: self = end.wasReady ? .disconnected : .noHello(isClosed: true)
    case .requested: self = .disconnected
    case .connectTimeout: self = .unreachable
    case .helloTimeout: self = .noHello(isClosed: false)
    case .silence: self = .timedOut
    case .goaway(let goaway), .rejected(let goaway): self = .other(goaway.message)
    case .version(let lowest, let highest):
      self = .version(
        "it speaks protocol versions \(lowest) to \(highest), this client "
          + "\(Hello.protocolVersion)")
    case .unreadable(let error):
      self = end.wasReady ? .other("what it sent can't be read: \(error)") : .notANode
    case .unexpected(let type):
      self =
        end.wasReady ? .other("what it sent can't be read: an unexpected \(type) frame") : .notANode
    }
  }
}
