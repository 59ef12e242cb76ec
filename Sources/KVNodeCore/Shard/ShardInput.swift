internal import KVBase
internal import KVCommand

/// What the host tells a shard. A shard reads nothing of the host's state: all it knows of the node
/// beside its own replicas came by these.
enum ShardInput: Sendable {
  /// The node may take part.
  case admitted
  /// Why the node does not serve yet, in a sentence.
  case waits(for: String)
  /// A new replica of a new group, with an empty log and state: its group begins with this set,
  /// whose preferred leader campaigns at once, so that a new cluster serves in milliseconds and its
  /// leaders are spread from the start. It sends nothing before the record that makes it is
  /// durable.
  case addReplica(GroupID, ReplicaID, ReplicaSet)
  /// The replica is no longer on this node.
  case removeReplica(GroupID)
  /// A version of the map.
  case map(ClusterMap)
  /// Where another node can be sent to; `nil`: nowhere. `isRefusing`: nobody listens where it was.
  case peer(NodeID, ConnectionID?, isRefusing: Bool)
  case peerRemoved(NodeID)
  /// The node's log makes no progress, or makes progress again.
  case diskStalled(Bool)
  /// The state store is about to slow its writers down, or no longer is.
  case pressure(Bool)
  /// Bytes of snapshots that may be sent until the next of these.
  case budget(Int)
  /// Hand at most so many leaderships to their preferred nodes.
  case balance(transfers: Int)
  /// Hand every leadership over.
  case handOver
  /// A leader that makes no progress steps down.
  case watchProgress
  /// Hand leaderships to followers whose state stores can keep up: this one can't.
  case yield
  /// Propose the deletion of records of dropped keyspaces.
  case dropRecords
  /// Propose this to the meta group, where its leader is here.
  case propose(MetaCommand)
  /// The state is durable: let go of the log what is not needed, or beyond a group's share.
  case flushed([FlushedGroup])
  case shutdown
}

/// What the host asks of the shard that holds the meta group.
struct MetaStatus: Sendable {
  /// The replica of the meta group here leads, and everything of earlier leaders is committed.
  var leads = false
  /// It waits for no proposal.
  var isIdle = false
  /// Nothing that was committed at this time is missing from what is applied here; `nil`: not
  /// known.
  var currentAsOf: Instant?
}
