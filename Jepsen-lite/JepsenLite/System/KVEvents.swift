internal import KVBase

/// What the nodes wrote into their `--events` files: roles and commits, held against what Raft
/// promises.
struct KVEvents {
  private struct GroupTerm: Hashable {
    var group: Int
    var term: Int
  }

  private struct Commit {
    var index: Int
    /// A node that starts again begins lower; it then takes a role anew.
    var hasNewRole: Bool
  }

  private var leaders: [GroupTerm: Int] = [:]
  private var events = 0
  private var commits = 0
  private var twoLeaders: String?
  private var backwards: String?
  private var isEmptyOf: [Int] = []

  init() {}

  mutating func read(_ path: String, node: Int) {
    var last: [Int: Commit] = [:]
    let before = events
    LineReader.read(path) { line in
      guard let event = try? JSON(parsing: line), let group = event["group"]?.integer else {
        return
      }
      switch event["event"]?.text {
      case "role":
        events += 1
        last[group]?.hasNewRole = true
        guard event["role"]?.text == "leader", let term = event["term"]?.integer else { return }
        let key = GroupTerm(group: group, term: term)
        if let other = leaders[key], other != node, twoLeaders == nil {
          twoLeaders = "nodes \(other) and \(node) both led group \(group) in term \(term)"
        }
        leaders[key] = node
      case "committed":
        guard let index = event["index"]?.integer else { return }
        events += 1
        commits += 1
        if let earlier = last[group], index < earlier.index, !earlier.hasNewRole {
          backwards =
            backwards
            ?? "node \(node) took commits of group \(group) back, from \(earlier.index) to \(index)"
        }
        last[group] = Commit(index: index, hasNewRole: false)
      default: break
      }
    }
    if events == before { isEmptyOf.append(node) }
  }

  var inspections: [Inspection] {
    let couldCheck = isEmptyOf.isEmpty
    let silent = "no events of " + isEmptyOf.map { "n\($0)" }.joined(separator: ", ")
    return [
      Inspection(
        "at most one leader a term", isGood: twoLeaders == nil && couldCheck,
        couldCheck: couldCheck || twoLeaders != nil,
        text: twoLeaders
          ?? (couldCheck ? "\(leaders.count) elections won, each in a term of its own" : silent)),
      Inspection(
        "commits only rise", isGood: backwards == nil && couldCheck,
        couldCheck: couldCheck || backwards != nil,
        text: backwards ?? (couldCheck ? "\(commits) commits told, none taken back" : silent)),
    ]
  }
}
