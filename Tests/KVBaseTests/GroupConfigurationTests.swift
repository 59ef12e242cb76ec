import KVBase
import Testing

private func replicas(_ ids: UInt64...) -> [ReplicaID] { ids.map(ReplicaID.init(rawValue:)) }

@Suite struct GroupConfigurationTests {
  @Test func listsAreSortedWithoutRepeatsAndVotersDoNotLearn() {
    let configuration = GroupConfiguration(
      voters: replicas(3, 1, 3), outgoing: replicas(4, 1), learners: replicas(9, 4, 3, 5, 5))
    #expect(configuration.voters == replicas(1, 3))
    #expect(configuration.outgoing == replicas(1, 4))
    #expect(configuration.learners == replicas(5, 9))
    #expect(configuration.members == replicas(1, 3, 4, 5, 9))
    #expect(configuration.isJoint)
    #expect(!GroupConfiguration(voters: replicas(1)).isJoint)
  }

  @Test func whoVotesAndWhoIsIn() {
    let configuration = GroupConfiguration(
      voters: replicas(1, 2), outgoing: replicas(3), learners: replicas(4))
    for voter in replicas(1, 2, 3) { #expect(configuration.isVoter(voter)) }
    #expect(!configuration.isVoter(ReplicaID(rawValue: 4)))
    #expect(configuration.contains(ReplicaID(rawValue: 4)))
    #expect(!configuration.contains(ReplicaID(rawValue: 5)))
  }

  @Test(arguments: [
    GroupConfiguration(voters: []),
    GroupConfiguration(voters: replicas(1)),
    GroupConfiguration(
      voters: replicas(1, 2, 3), outgoing: replicas(2, 3, 4), learners: replicas(7)),
    GroupConfiguration(voters: [ReplicaID(node: NodeID(5), ordinal: 9)]),
  ])
  func whatIsWrittenIsRead(_ configuration: GroupConfiguration) throws {
    var writer = ByteWriter()
    configuration.encode(into: &writer)
    var reader = ByteReader(writer.take())
    #expect(try GroupConfiguration(from: &reader) == configuration)
    try reader.finish()
  }

  @Test func goldenBytes() {
    var writer = ByteWriter()
    GroupConfiguration(
      voters: replicas(1, 2), outgoing: [], learners: [ReplicaID(node: NodeID(3), ordinal: 1)]
    ).encode(into: &writer)
    #expect(
      writer.take().hexadecimal
        == "01" + "00000002" + "0000000000000001" + "0000000000000002" + "00000000" + "00000001"
        + "0000000100000003")
  }

  @Test func badBytesAreRefused() {
    var version = ByteReader(Bytes([2, 0, 0, 0, 0]))
    #expect(throws: WireError.unknownValue(what: "configuration version", value: 2)) {
      try GroupConfiguration(from: &version)
    }
    var many = ByteReader(Bytes([1, 0, 0, 0, 65]))
    #expect(throws: WireError.tooLong(what: "replicas", length: 65, limit: 64)) {
      try GroupConfiguration(from: &many)
    }
  }

  @Test(arguments: [
    (HardState(), "0000000000000000" + "00" + "0000000000000000"),
    (
      HardState(term: Term(7), vote: ReplicaID(rawValue: 3)),
      "0000000000000007" + "01" + "0000000000000003"
    ),
  ])
  func hardStateHasItsBytes(_ state: HardState, _ golden: String) throws {
    var writer = ByteWriter()
    state.encode(into: &writer)
    let bytes = writer.take()
    #expect(bytes.hexadecimal == golden)
    var reader = ByteReader(bytes)
    #expect(try HardState(from: &reader) == state)
    try reader.finish()
  }
}
