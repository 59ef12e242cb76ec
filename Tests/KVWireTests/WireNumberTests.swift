import GoldenBytes
import KVCommand
import KVWire
import Testing

/// The number of every case that travels as one. A sample of a request holds one level, and one of
/// GOAWAY one reason: two others that changed places would be seen by no test, and by every client
/// of another version.
@Suite struct WireNumberGoldenBytesTests {
  private static func samples<Number>(
    _ name: String, _ cases: [Number]
  ) -> [(name: String, bytes: String)]
  where Number: RawRepresentable, Number.RawValue: FixedWidthInteger {
    cases.map { number in
      let digits = String(number.rawValue, radix: 16)
      return ("\(name).\(number)", digits.count % 2 == 0 ? digits : "0" + digits)
    }
  }

  @Test func everyNumberOnTheWireIsTheRecordedOne() throws {
    let samples =
      Self.samples("level", Consistency.allCases)
      + Self.samples("served", Receipt.Served.allCases)
      + Self.samples("status", StatusCode.allCases)
      + Self.samples("reason", Reason.allCases)
      + Self.samples("method", Method.allCases)
      + Self.samples("frame", FrameType.allCases)
      + Self.samples("goaway", Goaway.Reason.allCases)
      + Self.samples("role", [Hello.Role.client, .node])
      + Self.samples("standing", [Hello.Standing.begun, .blank, .unbegun])
      + Self.samples("mode", KeyspaceMode.allCases)
      + Self.samples("mutation", KeyMutation.Kind.allCases)
    let problems = try GoldenBytes.problems(
      "numbers", version: 1, samples)
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  /// Two levels that changed places: each is still written and read back.
  @Test func numbersThatChangePlacesAreFound() {
    let recorded = "version 1\nlevel.session 03\nlevel.stale 04\n"
    let swapped = [(name: "level.session", bytes: "04"), (name: "level.stale", bytes: "03")]
    #expect(GoldenBytes.compare(swapped, version: 1, recorded: recorded).count == 2)
  }
}
