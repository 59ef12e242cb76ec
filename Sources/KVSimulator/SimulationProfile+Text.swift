extension SimulationProfile {
  /// What a profile is for, in a line.
  package static func text(of name: String) -> String {
    switch name {
    case "cp": "every kind of fault, mixed"
    case "calm": "no faults: the least that must work"
    case "crash-votes": "crashes and elections over slow disks: what was not durable"
    case "figure-8": "leaders cut off at their first commit: entries of older terms"
    case "lease": "leaders cut off or asleep while others take over; reads by lease"
    case "snapshot": "followers that fall behind what the log keeps, and retries"
    case "network": "partitions of all kinds, loss, doubling, reordering, slow links"
    case "disk": "slow, stuck, failing and lost disks, and losses of power"
    case "clocks": "clocks far beyond the drift bound, and reads without them"
    case "sessions": "answers that get lost, few sessions, clients with wrong clocks and numbers"
    case "links": "connections that break, are refused, or end without a word"
    case "stale": "sleeping and isolated replicas, and reads of any of them with a maximum age"
    case "forming": "crashes and losses of power while the cluster is being formed, then calm"
    default: ""
    }
  }
}
