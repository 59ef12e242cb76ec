// Recorded: see Transcript.swift.
extension Recorded {
  static let election = """
        0  r1 starts
        0  r2 starts
        0  r3 starts
      352  r1 is preCandidate, term 0, leader unknown
      353  r1 > r2  pre-vote? t1 log 0.0
      353  r1 > r3  pre-vote? t1 log 0.0
      354  r2 > r1  pre-vote yes t1
      354  r1 is candidate, term 1, leader unknown
      354  r3 > r1  pre-vote yes t1
      355  r1 synced term 1 vote r1
      356  r1 > r2  vote? t1 log 0.0
      356  r2 is follower, term 1, leader unknown
      356  r1 > r3  vote? t1 log 0.0
      356  r3 is follower, term 1, leader unknown
      357  r2 synced term 1 vote r1
      357  r3 synced term 1 vote r1
      358  r2 > r1  vote yes t1
      358  r1 is leader, term 1, leader r1
      358  r3 > r1  vote yes t1
      359  r1 synced [1.1]
      359  r1 > r2  append t1 after 0.0 [1.1] commit 0 round 1
      359  r2 is follower, term 1, leader r1
      359  r1 > r3  append t1 after 0.0 [1.1] commit 0 round 1
      359  r3 is follower, term 1, leader r1
      360  r2 synced [1.1]
      360  r3 synced [1.1]
      361  r2 > r1  accepted t1 to 1 round 1
      361  r3 > r1  accepted t1 to 1 round 1
      409  r1 > r2  heartbeat t1 commit 1 round 2
      409  r1 > r3  heartbeat t1 commit 1 round 2
      410  r2 > r1  alive t1 round 2
      410  r3 > r1  alive t1 round 2
      459  r1 > r2  heartbeat t1 commit 1 round 3
      459  r1 > r3  heartbeat t1 commit 1 round 3
      460  r2 > r1  alive t1 round 3
      460  r3 > r1  alive t1 round 3
    """
}
