import KVBase
import KVCommand
import KVWire

/// One decoder under test. It is run on any bytes; a trap is a finding, and so is a value that
/// decodes and does not come back from its own encoding.
struct FuzzTarget: Sendable {
  let name: String
  /// Valid inputs to start from.
  let seeds: @Sendable () -> [[UInt8]]
  /// Whether the input was well-formed.
  let run: @Sendable (Bytes) -> Bool

  /// Every decoder of bytes from outside. A new message is added here and nowhere else: its name,
  /// some valid bytes, and how to decode and encode it.
  static let all: [FuzzTarget] =
    [
      FuzzTarget(name: "frames", seeds: frameSeeds, run: runFrames),
      value(
        "command", samples: commandSamples,
        decode: { (reader: inout ByteReader) throws(WireError) in try Command(from: &reader) },
        encode: { $0.encode(into: &$1) }),
      value(
        "command result", samples: resultSamples,
        decode: { (reader: inout ByteReader) throws(WireError) in try CommandResult(from: &reader)
        },
        encode: { $0.encode(into: &$1) }),
      value(
        "meta state", samples: mapSamples,
        decode: { (reader: inout ByteReader) throws(WireError) in try ClusterMap(from: &reader) },
        encode: { $0.encode(into: &$1) }),
      value(
        "log entry", samples: entrySamples,
        decode: { (reader: inout ByteReader) throws(WireError) in try LogEntry(from: &reader) },
        encode: { $0.encode(into: &$1) }),
      FuzzTarget(
        name: "group configuration",
        seeds: {
          var writer = ByteWriter()
          GroupConfiguration(
            voters: [ReplicaID(rawValue: 1), ReplicaID(rawValue: 2)],
            outgoing: [ReplicaID(rawValue: 2)], learners: [ReplicaID(rawValue: 9)]
          ).encode(into: &writer)
          return [writer.bytes]
        },
        run: { bytes in
          var reader = ByteReader(bytes)
          return (try? GroupConfiguration(from: &reader)) != nil
        }),
    ] + messages + stored

  /// A target of a type that has more bytes than it keeps: what decodes must be the same when it
  /// is encoded and decoded once more.
  static func lenient<Value: Sendable>(
    _ name: String, samples: @escaping @Sendable () -> [Value],
    decode: @escaping @Sendable (Bytes) throws(WireError) -> Value,
    encode: @escaping @Sendable (Value, inout ByteWriter) -> Void
  ) -> FuzzTarget {
    FuzzTarget(
      name: name,
      seeds: { samples().map { encoded($0, by: encode) } },
      run: { bytes in
        guard let value = try? decode(bytes) else { return false }
        let once = encoded(value, by: encode)
        guard let again = try? decode(Bytes(once)) else {
          preconditionFailure("\(name): \(value) does not decode from its own bytes")
        }
        precondition(encoded(again, by: encode) == once, "\(name): \(value) became \(again)")
        return true
      })
  }

  private static func encoded<Value>(
    _ value: Value, by encode: (Value, inout ByteWriter) -> Void
  ) -> [UInt8] {
    var writer = ByteWriter()
    encode(value, &writer)
    return writer.bytes
  }

  /// A target of a type whose every value has one encoding.
  static func value<Value: Sendable>(
    _ name: String, samples: @escaping @Sendable () -> [Value],
    decode: @escaping @Sendable (inout ByteReader) throws(WireError) -> Value,
    encode: @escaping @Sendable (Value, inout ByteWriter) -> Void
  ) -> FuzzTarget {
    FuzzTarget(
      name: name,
      seeds: { samples().map { encoded($0, by: encode) } },
      run: { bytes in
        var reader = ByteReader(bytes)
        guard let value = try? decode(&reader) else { return false }
        let consumed = bytes[0..<reader.offset]
        precondition(
          Bytes(encoded(value, by: encode)) == consumed,
          "\(name): \(consumed.hexadecimal) became \(value)")
        return true
      })
  }

  /// Runs the target that the first byte chooses on the rest: how one input serves all targets.
  static func runChosen(_ input: Bytes) {
    guard !input.isEmpty else { return }
    _ = all[Int(input[0]) % all.count].run(input[1..<input.count])
  }
}
