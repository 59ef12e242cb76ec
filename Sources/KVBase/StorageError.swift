/// What can be wrong with a store. Every one but `.compacted` is fatal for the node.
package enum StorageError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The operating system or the library refused: what was tried, and what it said.
  case io(String)
  /// A record is damaged and there is something valid after it: where, and what was found.
  case damaged(String)
  /// The directory belongs to another node, cluster or format; it was not touched.
  case foreign(String)
  /// The entries asked for are no longer kept.
  case compacted
  /// A call that makes no sense, such as entries with a gap: a fault in the caller.
  case misuse(String)

  /// What a person can do about a data directory that has lost something: the end of a message. An
  /// empty one in its place is refused by the cluster, since the node would have forgotten votes;
  /// an older copy has forgotten them too, and is not recognized.
  package static let lostDataAdvice =
    "leave this node off, and keep the directory; the other nodes go on without it. Never start it "
    + "on an older copy: what it has acknowledged since would be lost (an image of this very disk, "
    + "made after the node stopped, is none). To have all copies again, 'kvctl export' every "
    + "keyspace, form a new cluster, and 'kvctl import' there"

  /// The same of a directory in an older format. One node alone with an empty directory is refused
  /// by the cluster that it was a member of.
  package static let otherFormatAdvice =
    "To go on with this one, 'kvctl export' every keyspace with the older build, start all nodes "
    + "of the new build with empty data directories, and 'kvctl import' there"

  package var description: String {
    switch self {
    case .io(let text), .damaged(let text), .foreign(let text), .misuse(let text): text
    case .compacted: "the entries asked for are no longer kept"
    }
  }
}
