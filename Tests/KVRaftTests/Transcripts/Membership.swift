// Recorded: see Transcript.swift.
extension Recorded {
  static let membership = """
    -- r4 replaces r1, which leads
       21  r1 synced [1.2]
       21  r1 > r2  append t1 after 1.1 [1.2] commit 1 round 1
       21  r1 > r3  append t1 after 1.1 [1.2] commit 1 round 1
       21  r1 > r4  append t1 after 1.2 [] commit 1 round 1
       21  r4 is learner, term 1, leader r1
       22  r2 synced [1.2]
       22  r3 synced [1.2]
       22  r4 synced term 1 vote none
       23  r2 > r1  accepted t1 to 2 round 1
       23  r3 > r1  accepted t1 to 2 round 1
       23  r4 > r1  rejected t1 at 2, try 0.0 round 1
       24  r1 synced [1.3]
       24  r1 > r2  append t1 after 1.2 [1.3] commit 2 round 1
       24  r1 > r3  append t1 after 1.2 [1.3] commit 2 round 1
       24  r1 > r4  append t1 after 0.0 [1.1 1.2 1.3] commit 2 round 1
       24  r4 is follower, term 1, leader r1
       25  r2 synced [1.3]
       25  r3 synced [1.3]
       25  r4 synced [1.1 1.2 1.3]
       26  r2 > r1  accepted t1 to 3 round 1
       26  r3 > r1  accepted t1 to 3 round 1
       26  r1 is learner, term 1, leader unknown
       26  r4 > r1  accepted t1 to 3 round 1
       27  r1 > r2  heartbeat t1 commit 3 round 1
       27  r1 > r3  heartbeat t1 commit 3 round 1
       27  r1 > r4  heartbeat t1 commit 0 round 1
       27  r1 > r2  take over t1
       27  r2 is candidate, term 2, leader unknown
       28  r2 > r1  alive t1 round 1
       28  r3 > r1  alive t1 round 1
       28  r4 > r1  alive t1 round 1
       28  r2 synced term 2 vote r2
       29  r2 > r3  transfer vote? t2 log 1.3
       29  r3 is follower, term 2, leader unknown
       29  r2 > r4  transfer vote? t2 log 1.3
       29  r4 is follower, term 2, leader unknown
       30  r3 synced term 2 vote r2
       30  r4 synced term 2 vote r2
       31  r3 > r2  vote yes t2
       31  r2 is leader, term 2, leader r2
       31  r4 > r2  vote yes t2
       32  r2 synced [2.4]
       32  r2 > r3  append t2 after 1.3 [2.4] commit 3 round 1
       32  r3 is follower, term 2, leader r2
       32  r2 > r4  append t2 after 1.3 [2.4] commit 3 round 1
       32  r4 is follower, term 2, leader r2
       33  r3 synced [2.4]
       33  r4 synced [2.4]
       34  r3 > r2  accepted t2 to 4 round 1
       34  r4 > r2  accepted t2 to 4 round 1
    """
}
