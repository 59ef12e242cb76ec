// Recorded: see Transcript.swift.
extension Recorded {
  static let transfer = """
       21  r1 synced [1.2]
       21  r1 > r2  append t1 after 1.1 [1.2] commit 1 round 1
       21  r1 > r3  append t1 after 1.1 [1.2] commit 1 round 1
       22  r2 synced [1.2]
       22  r3 synced [1.2]
       23  r2 > r1  accepted t1 to 2 round 1
       23  r3 > r1  accepted t1 to 2 round 1
       24  r1 > r3  take over t1
       24  r3 is candidate, term 2, leader unknown
       25  r3 synced term 2 vote r3
       26  r3 > r1  transfer vote? t2 log 1.2
       26  r1 is follower, term 2, leader unknown
       26  r3 > r2  transfer vote? t2 log 1.2
       26  r2 is follower, term 2, leader unknown
       27  r1 synced term 2 vote r3
       27  r2 synced term 2 vote r3
       28  r1 > r3  vote yes t2
       28  r3 is leader, term 2, leader r3
       28  r2 > r3  vote yes t2
       29  r3 synced [2.3]
       29  r3 > r1  append t2 after 1.2 [2.3] commit 1 round 1
       29  r1 is follower, term 2, leader r3
       29  r3 > r2  append t2 after 1.2 [2.3] commit 1 round 1
       29  r2 is follower, term 2, leader r3
       30  r1 synced [2.3]
       30  r2 synced [2.3]
       31  r1 > r3  accepted t2 to 3 round 1
       31  r2 > r3  accepted t2 to 3 round 1
    """
}
