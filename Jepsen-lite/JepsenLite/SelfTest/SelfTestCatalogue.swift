/// A way to catch a planted fault.
enum SelfTestWay: Hashable, Sendable {
  /// `jepsen-lite sim` with a profile, until a seed is violated.
  case simulation(profile: String)
  /// `jepsen-lite run` on real processes.
  case run(workload: String, nemesis: String, extra: [String] = [])

  /// As the table has it.
  var text: String {
    switch self {
    case .simulation(let profile): "sim \(profile)"
    case .run(let workload, let nemesis, let extra):
      (["run \(workload)", nemesis] + extra).joined(separator: " ")
    }
  }

  /// The verdicts of a run that show a planted fault to be caught; of a simulation the child says
  /// whether the check that failed is one of the fault's. That anything at all goes wrong, such as
  /// a node that ends, would show that the fault does harm and not that a check sees it.
  var verdicts: [String] {
    switch self {
    case .simulation: []
    case .run(let workload, _, _):
      ["linearizability of \(workload)s", "no acknowledged write lost"]
    }
  }

  var isSimulation: Bool {
    if case .simulation = self { true } else { false }
  }
}

/// A planted fault, and what is to catch it.
struct SelfTestFault: Hashable, Sendable {
  var name: String
  /// What is wrong, for people.
  var text: String
  var ways: [SelfTestWay]

  init(_ name: String, _ text: String, _ ways: [SelfTestWay]) {
    self.name = name
    self.text = text
    self.ways = ways
  }
}

/// Every fault that a build with planted faults has. Some are matters of a coincidence that only
/// simulated time brings about often enough; the others are caught on real processes as well.
enum SelfTestCatalogue {
  static let all: [SelfTestFault] = elections + commit + disk + members + reads + state + links

  private static let elections = [
    SelfTestFault(
      "voteBeforePersist", "a vote is given before it is durable",
      [.simulation(profile: "crash-votes")]),
    SelfTestFault(
      "voteForgottenOnRestart", "a node that starts again has forgotten its vote",
      [.simulation(profile: "crash-votes")]),
    SelfTestFault(
      "voteWithoutComparingLogs", "a vote is given however short the candidate's log is",
      [.simulation(profile: "network")]),
    SelfTestFault(
      "electionWithoutMajority", "a candidate leads with its own vote alone",
      [.simulation(profile: "lease")]),
  ]

  private static let commit = [
    SelfTestFault(
      "countLeaderBeforeDurable", "a leader counts its own copy before it is durable",
      [.simulation(profile: "crash-votes")]),
    SelfTestFault(
      "commitOldTermByCounting", "entries of older terms are committed by counting copies",
      [.simulation(profile: "figure-8")]),
    SelfTestFault(
      "commitAtHighestMatch", "what one replica holds is committed, not what a majority does",
      [
        .simulation(profile: "network"),
        .run(workload: "register", nemesis: "isolate-leader"),
      ]),
    SelfTestFault(
      "acknowledgeBeforeCommit", "a write is acknowledged when it has only been proposed",
      [
        .simulation(profile: "network"),
        .run(workload: "register", nemesis: "isolate-leader"),
      ]),
    SelfTestFault(
      "acknowledgeBeforeDurable", "a follower acknowledges entries before they are durable",
      [.simulation(profile: "crash-votes")]),
    SelfTestFault(
      "truncateOnEveryAppend", "a follower truncates its log after every append",
      [.simulation(profile: "network")]),
  ]

  private static let disk = [
    SelfTestFault(
      "skippedSync", "the log never syncs",
      [
        .simulation(profile: "crash-votes"),
        .run(workload: "register", nemesis: "power-loss-all"),
      ]),
    SelfTestFault(
      "failedSyncIgnored", "a failed sync is taken for a good one",
      [.simulation(profile: "disk")]),
    SelfTestFault(
      "persistedBeforeSync", "writes are reported durable before they are",
      [.simulation(profile: "crash-votes")]),
    SelfTestFault(
      "neededSegmentRecycled", "a segment of the log that a replica needs is recycled",
      [.simulation(profile: "disk")]),
    SelfTestFault(
      "compactedPastFlush", "the log forgets what is applied, and not durable in the state",
      [.simulation(profile: "snapshot")]),
    SelfTestFault(
      "installBeforeDurable", "an installed snapshot is used before it is durable",
      [.simulation(profile: "snapshot")]),
  ]

  private static let members = [
    SelfTestFault(
      "lostDiskAdmitted", "a node that has lost its disk is let in under its id",
      [.simulation(profile: "disk")]),
    SelfTestFault(
      "formsWithoutAsking", "a blank node takes part without asking anybody",
      [.simulation(profile: "disk")]),
  ]

  private static let reads = [
    SelfTestFault(
      "leaseReadAfterLease", "lease reads are served after the lease has run out",
      [.simulation(profile: "lease")]),
    SelfTestFault(
      "readWithoutMajority", "reads are served without asking a majority",
      [
        .simulation(profile: "lease"),
        .run(workload: "register", nemesis: "clock-rate-beyond"),
      ]),
    SelfTestFault(
      "readBeforeOwnTermCommit", "a new leader reads before it has committed in its term",
      [.simulation(profile: "lease")]),
    SelfTestFault(
      "readFromFollower", "a follower serves linearizable reads",
      [
        .simulation(profile: "lease"),
        .run(workload: "register", nemesis: "isolate-leader"),
      ]),
    SelfTestFault(
      "sessionReadTooEarly", "a session's read is served before what it has seen is applied",
      [.simulation(profile: "cp")]),
    SelfTestFault(
      "ageFromArrival", "a follower counts its age from when its leader's word arrives",
      [.simulation(profile: "stale")]),
  ]

  private static let state = [
    SelfTestFault(
      "conditionIgnored", "a condition of a write is not looked at",
      [
        .simulation(profile: "cp"),
        .run(workload: "register", nemesis: "none"),
      ]),
    SelfTestFault(
      "sessionsIgnored", "a retry is carried out again",
      [
        .simulation(profile: "sessions"),
        .run(workload: "counter", nemesis: "reset-connections"),
      ]),
    SelfTestFault(
      "evictedWithoutFloor", "a session is evicted and its client taken for a new one",
      [.simulation(profile: "sessions")]),
    SelfTestFault(
      "lastUseForgotten", "a restart forgets when sessions were last used",
      [.simulation(profile: "sessions")]),
    SelfTestFault(
      "creationTimeUnchecked", "a leader proposes whatever creation time a client names",
      [.simulation(profile: "sessions")]),
    SelfTestFault(
      "fingerprintIgnored", "another command under a used number gets the first one's result",
      [.simulation(profile: "sessions")]),
    SelfTestFault(
      "forgetSessionsInSnapshot", "a snapshot is made without the sessions",
      [.simulation(profile: "snapshot")]),
    SelfTestFault(
      "snapshotMissesRecords", "a snapshot lacks some of the records",
      [.simulation(profile: "snapshot")]),
    SelfTestFault(
      "appliedTwice", "some entries are carried out twice",
      [
        .simulation(profile: "cp"),
        .run(workload: "counter", nemesis: "none"),
      ]),
    SelfTestFault(
      "entrySkippedOnOneReplica", "one replica leaves the effect of some entries out",
      [
        .simulation(profile: "cp"),
        .run(workload: "register", nemesis: "none"),
      ]),
    SelfTestFault(
      "oneEffectLost", "one replica leaves the effect of exactly one entry out",
      [.simulation(profile: "cp")]),
    SelfTestFault(
      "deleteLostOnRestart", "deletes are passed over when a node replays its log",
      [
        .simulation(profile: "disk"),
        .run(workload: "register", nemesis: "kill-all"),
      ]),
  ]

  private static let links = [
    SelfTestFault(
      "linkNeverReconnects", "a link that has failed once is never dialed again",
      [.simulation(profile: "links")]),
    SelfTestFault(
      "linkWithoutBackoff", "a link that fails is dialed again at once, every time",
      [.simulation(profile: "links")]),
    SelfTestFault(
      "silentPeerUnnoticed", "a link on which nothing is heard any more is kept",
      [.simulation(profile: "links")]),
  ]
}
