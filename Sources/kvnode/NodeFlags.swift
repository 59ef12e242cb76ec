import KVCommandLine

/// What `kvnode` can be told.
enum NodeFlags {
  static let environmentPrefix = "KVNODE_"

  static let flags: [Flag] = [
    Flag("id", value: "N", "this node's id, 1 to 65535"),
    Flag(
      "peers", value: "ID=HOST:PORT,…",
      "all nodes of the cluster to be formed, this one included; the same on each. Without it the"
        + " node forms a cluster of one, which no other can join later. Once a cluster is formed,"
        + " only this node's own entry counts: it listens there"),
    Flag(
      "peer-address", value: "ID=HOST:PORT,…",
      "where other nodes are reached from here, such as by a proxy, whatever --peers and the"
        + " cluster map say; this node still listens where --listen or --peers says"),
    Flag("data-dir", value: "DIR", "where log and state are kept (default: ./kvnode-ID)"),
    Flag(
      "listen", value: "HOST:PORT",
      "where to serve, where that is not the address by which others reach this node (default:"
        + " its own entry of --peers; without one, 127.0.0.1:7400+ID)"),
    Flag(
      "mode", value: "MODE", default: "cp",
      "the mode of the keyspace 'default': cp; ap is not there yet"),
    Flag(
      "partitions", value: "Q", default: "32",
      "partitions of the ring, a power of two; fixed when the cluster is made"),
    Flag("replication", value: "R", default: "3", "copies of each partition; fixed as well"),
    Flag("zone", value: "NAME", "this node's zone; copies are spread over zones"),
    Flag(
      "zones", value: "ID=ZONE,…",
      "the zones of all nodes, the same on each; needed where zones are used"),
    Flag(
      "linearizable-reads", value: "KIND", default: "read-index",
      "read-index, or lease: faster, and right as long as clocks drift less than 10 %"),
    Flag("events", value: "FILE", "append role changes, commits and faults as JSON lines"),
    Flag("log-keep", value: "BYTES", default: "64MiB", "log kept for followers that lag"),
    Flag(
      "cache", value: "BYTES", default: "32MiB",
      "memory for records that were read from files, at least 1MiB"),
    Flag("config", value: "FILE", isSetting: false, "read flags from lines 'flag = value'"),
  ]

  static let run = CommandSpec(
    "kvnode", "one node of the key-value store",
    examples: [
      ("kvnode --id 1", "a cluster of one node, on 127.0.0.1:7401"),
      (
        "kvnode --id 1 --peers 1=127.0.0.1:7401,2=127.0.0.1:7402,3=127.0.0.1:7403",
        "the first of three nodes; start the others with --id 2 and --id 3"
      ),
      ("kvnode config --id 1", "every setting, and where it comes from"),
      ("kvnode version", "the version of this program"),
    ], flags: flags,
    notes: [
      "SIGTERM hands leaderships over, finishes what runs and exits 0; a second one, more than"
        + " 1 s after the first, ends at once.",
      "Exit codes: 0 stopped as asked, 1 stopped by a fault, 2 wrong usage.",
    ])

  static let config = CommandSpec(
    "kvnode config", "every setting of kvnode, and where it comes from",
    examples: [("kvnode config --id 1", "the settings that 'kvnode --id 1' would run with")],
    flags: flags)
}
