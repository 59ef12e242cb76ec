// Recorded: see Transcript.swift.
extension Recorded {
  static let conflict = """
    -- r1 is cut off and goes on alone for a while
       21  r1 synced [1.2]
       22  r1 synced [1.3]
       23  r1 synced [1.4]
      123  r3 is preCandidate, term 1, leader unknown
      124  r3 > r2  pre-vote? t2 log 1.1
      125  r2 is preCandidate, term 1, leader unknown
      125  r2 > r3  pre-vote yes t2
      125  r3 is candidate, term 2, leader unknown
      126  r2 > r3  pre-vote? t2 log 1.1
      126  r3 synced term 2 vote r3
      127  r3 > r2  pre-vote no t2
      127  r2 is follower, term 2, leader unknown
      127  r3 > r2  vote? t2 log 1.1
      128  r2 synced term 2 vote none
      129  r2 synced term 2 vote r3
      130  r2 > r3  vote yes t2
      130  r3 is leader, term 2, leader r3
      131  r3 synced [2.2]
      131  r3 > r2  append t2 after 1.1 [2.2] commit 0 round 1
      131  r2 is follower, term 2, leader r3
      132  r2 synced [2.2]
      133  r2 > r3  accepted t2 to 2 round 1
      181  r3 > r2  heartbeat t2 commit 2 round 2
      182  r2 > r3  alive t2 round 2
      231  r3 > r2  heartbeat t2 commit 2 round 3
      232  r2 > r3  alive t2 round 3
      281  r3 > r2  heartbeat t2 commit 2 round 4
      282  r2 > r3  alive t2 round 4
      331  r3 > r2  heartbeat t2 commit 2 round 5
      332  r2 > r3  alive t2 round 5
      352  r1 is follower, term 1, leader unknown
    -- healed
      381  r3 > r1  heartbeat t2 commit 0 round 6
      381  r1 is follower, term 2, leader r3
      381  r3 > r2  heartbeat t2 commit 2 round 6
      382  r1 synced term 2 vote none
      382  r2 > r3  alive t2 round 6
      383  r1 > r3  alive t2 round 6
      384  r3 > r1  append t2 after 1.1 [2.2] commit 2 round 6
      385  r1 synced [2.2]
      386  r1 > r3  accepted t2 to 2 round 6
      431  r3 > r1  heartbeat t2 commit 2 round 7
      431  r3 > r2  heartbeat t2 commit 2 round 7
    """
}
