import JepsenHistory
import Testing

@testable import JepsenLite

@Suite struct ReplicaReadsTests {
  private func answer(_ value: String?) -> Answer? {
    var answer = Answer(.done)
    answer.value = value
    return answer
  }

  private func judge(_ values: [String: [String?]], unread: Int? = nil) -> Verdict {
    var found: [(node: Int, records: ReplicaReads.Found)] = []
    for node in 1...3 {
      var records: ReplicaReads.Found = [:]
      for (key, copies) in values {
        records[key] = .some(node == unread ? nil : answer(copies[node - 1]))
      }
      found.append((node, records))
    }
    return ReplicaReads.judge(found, keys: values.keys.sorted(), leftOut: 0)
  }

  @Test func equalCopiesPass() {
    #expect(judge(["a": ["1", "1", "1"], "b": [nil, nil, nil]]).status == .passed)
  }

  @Test func aDifferentCopyIsFound() {
    let verdict = judge(["a": ["1", "1", "1"], "b": ["2", "2", "3"]])
    #expect(verdict.status == .violated)
    #expect(verdict.text == "b is '2' on n1 and '3' on n3")
    #expect(judge(["a": ["1", nil, "1"]]).status == .violated)
    // Equal to a reader's eye, and not in bytes.
    #expect(judge(["a": ["\u{E9}", "e\u{301}", "\u{E9}"]]).status == .violated)
  }

  @Test func whatWasNotReadProvesNothing() {
    #expect(judge(["a": ["1", "1", "1"]], unread: 2).status == .unknown)
    #expect(judge([:]).status == .unknown)
    // Where the copies that were read differ, that is enough.
    #expect(judge(["a": ["1", "1", "2"]], unread: 2).status == .violated)
  }
}
