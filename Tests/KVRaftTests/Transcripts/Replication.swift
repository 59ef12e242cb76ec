// Recorded: see Transcript.swift.
extension Recorded {
  static let replication = """
       21  r1 synced [1.2]
       21  r1 > r2  append t1 after 1.1 [1.2] commit 1 round 1
       21  r1 > r3  append t1 after 1.1 [1.2] commit 1 round 1
       21  r1 > r2  append t1 after 1.2 [1.3] commit 1 round 1
       21  r1 > r3  append t1 after 1.2 [1.3] commit 1 round 1
       22  r1 synced [1.3]
       22  r2 synced [1.2]
       22  r3 synced [1.2]
       23  r2 synced [1.3]
       23  r3 synced [1.3]
       23  r2 > r1  accepted t1 to 2 round 1
       23  r3 > r1  accepted t1 to 2 round 1
       24  r2 > r1  accepted t1 to 3 round 1
       24  r3 > r1  accepted t1 to 3 round 1
    -- a round of reads
       31  r1 > r2  heartbeat t1 commit 3 round 2
       31  r1 > r3  heartbeat t1 commit 3 round 2
       32  r2 > r1  alive t1 round 2
       32  r3 > r1  alive t1 round 2
       57  r1 > r2  heartbeat t1 commit 3 round 3
       57  r1 > r3  heartbeat t1 commit 3 round 3
       58  r2 > r1  alive t1 round 3
       58  r3 > r1  alive t1 round 3
    """
}
