/// A system that the harness can start, disturb and ask: `kvnode` or, to test another one, whatever
/// implements this. Nodes are counted from 1.
///
/// The harness owns the processes, the proxies and the files. The system says how a node is
/// started and how to talk to it.
package protocol SystemUnderTest: Sendable {
  /// Name and version, for the report.
  var name: String { get }
  var nodes: Int { get }

  /// Whether a connection between nodes shows by its port which node it comes from. Where not (all
  /// nodes must be given the same addresses), the proxies find out by the process that opened it.
  var hasDirectedPorts: Bool { get }
  /// Whether the bytes between nodes are frames with a big-endian 32-bit length before them, so
  /// that whole frames can be doubled and reordered.
  var hasFramedLinks: Bool { get }

  /// Whether a library can be loaded into the nodes' processes, for faults of disks and clocks: not
  /// into programs that don't call the system through libc.
  var loadsLibraries: Bool { get }

  /// Whether a file, by its path below a node's folder, holds what the system answers for when the
  /// power goes.
  func holdsData(_ file: String) -> Bool

  /// What starts a node. It must listen on loopback only, and keep its files under
  /// `layout.directory(of: node)`.
  func launch(_ node: Int, _ layout: Layout) -> Launch

  /// A client that reaches the nodes through the proxies. `number` counts from 0.
  func connect(client number: Int, _ layout: Layout) async throws -> any SystemClient

  /// The node that leads the group of the key, or the cluster; `nil` where nobody says so.
  func leader(of key: String) async -> Int?

  /// Asks every node directly, past the proxies; `nil`: all serve and know a leader. Else what is
  /// not well, in a sentence.
  func trouble() async -> String?

  /// What the nodes say of their inside, once all have healed and nothing is written any more:
  /// equal copies, applied entries, at most one leader a term. Empty where the system has no such
  /// window.
  func inspect(_ layout: Layout) async -> [Inspection]

  /// How a node that meets such a fault may end, and what it must say then.
  func expectedEnds(under fault: EndingFault) -> [ExpectedEnd]

  /// Whether a node that ended by itself, without a fault that explains it, has broken a promise by
  /// that: it trapped, or refused data that are its own. Else the reason lies outside of it.
  func breaksPromise(ending status: ExitStatus, saying words: String) -> Bool

  /// Lets go of connections of its own.
  func close() async
}

/// A fault under which a node may end by itself.
package enum EndingFault: Hashable, Sendable, CaseIterable {
  case failedSync
  case fullDisk
  case flippedBits
}

extension SystemUnderTest {
  package func expectedEnds(under fault: EndingFault) -> [ExpectedEnd] { [] }
  package func breaksPromise(ending status: ExitStatus, saying words: String) -> Bool {
    status.isTrap
  }
  package var loadsLibraries: Bool { true }
  package func holdsData(_ file: String) -> Bool { true }
}

/// One finding about the inside.
package struct Inspection: Hashable, Sendable {
  package var name: String
  package var isGood: Bool
  /// `nil` in `isGood` is not possible: where a check could not be made, this says so.
  package var couldCheck: Bool
  package var text: String

  package init(_ name: String, isGood: Bool, couldCheck: Bool = true, text: String) {
    self.name = name
    self.isGood = isGood
    self.couldCheck = couldCheck
    self.text = text
  }
}

/// A process to start.
package struct Launch: Hashable, Sendable {
  /// The program and its arguments.
  package var command: [String]
  /// Set beside the harness's own.
  package var environment: [String: String]

  package init(command: [String], environment: [String: String] = [:]) {
    self.command = command
    self.environment = environment
  }
}

/// Where things are: ports and folders. All addresses are on 127.0.0.1.
package struct Layout: Sendable {
  /// The run's folder.
  package var folder: String
  package var nodes: Int
  /// By node: the port that the node itself listens on for clients (and, where the system has one
  /// port for both, for nodes).
  package var clientPorts: [UInt16]
  /// By node: the port that it listens on for other nodes; equal to `clientPorts` where the system
  /// has one port for both.
  package var peerPorts: [UInt16]
  /// `links[a][b]`: the proxy through which node a + 1 reaches the peer port of node b + 1. Where
  /// the system has no directed ports, the same for every a.
  package var links: [[UInt16]]
  /// By node: the proxy through which clients reach it.
  package var clientLinks: [UInt16]

  package init(
    folder: String, nodes: Int, clientPorts: [UInt16], peerPorts: [UInt16], links: [[UInt16]],
    clientLinks: [UInt16]
  ) {
    self.folder = folder
    self.nodes = nodes
    self.clientPorts = clientPorts
    self.peerPorts = peerPorts
    self.links = links
    self.clientLinks = clientLinks
  }

  package func directory(of node: Int) -> String { "\(folder)/node-\(node)" }
  package func log(of node: Int) -> String { "\(folder)/node-\(node).log" }
  package func events(of node: Int) -> String { "\(folder)/node-\(node).events" }
}

/// A client of the system: one caller at a time, like a process of the history.
package protocol SystemClient: Sendable {
  func perform(_ call: Call, timeout: Duration) async -> Answer
  func close() async
}
