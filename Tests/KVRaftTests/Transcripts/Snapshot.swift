// Recorded: see Transcript.swift.
extension Recorded {
  static let snapshot = """
    -- r3 comes back, far behind
      120  r3 starts
      157  r1 > r2  heartbeat t1 commit 21 round 4
      157  r1 > r3  heartbeat t1 commit 1 round 4
      157  r3 is follower, term 1, leader r1
      158  r2 > r1  alive t1 round 4
      158  r3 > r1  alive t1 round 4
      159  r1 > r3  append t1 after 1.21 [] commit 21 round 4
      160  r3 > r1  rejected t1 at 21, try 1.1 round 4
      160  r1 sends a snapshot of 21 to r3
      166  r3 > r1  accepted t1 to 21 round 0
      207  r1 > r2  heartbeat t1 commit 21 round 5
      207  r1 > r3  heartbeat t1 commit 21 round 5
      208  r2 > r1  alive t1 round 5
      208  r3 > r1  alive t1 round 5
    """
}
