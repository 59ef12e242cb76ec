package import KVBase

/// When a put or a delete takes effect, judged where it is applied.
package enum Condition: Hashable, Sendable {
  case always
  case ifAbsent
  case ifPresent
  /// The record's version is this.
  case ifVersion(LogIndex)
  /// The record's value is this.
  case ifValue(Bytes)

  var isAlways: Bool {
    if case .always = self { true } else { false }
  }

  /// Version 0 is that of a record that is not there.
  package func holds(for current: Record?) -> Bool {
    switch self {
    case .always: true
    case .ifAbsent: current == nil
    case .ifPresent: current != nil
    case .ifVersion(let version): (current?.version ?? .zero) == version
    case .ifValue(let value): current?.value == value
    }
  }

  /// Why no node would accept it: a sentence, or `nil`.
  var problem: String? {
    guard case .ifValue(let expected) = self else { return nil }
    return Record.problem(withValue: expected)
  }

  /// u8 kind, then a u64 version or a sized value where the kind has one.
  package func encode(into writer: inout ByteWriter) {
    switch self {
    case .always: writer.append(UInt8(0))
    case .ifAbsent: writer.append(UInt8(1))
    case .ifPresent: writer.append(UInt8(2))
    case .ifVersion(let version):
      writer.append(UInt8(3))
      writer.append(version.rawValue)
    case .ifValue(let value):
      writer.append(UInt8(4))
      writer.append(sized: value)
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let kind = try reader.read(UInt8.self)
    switch kind {
    case 0: self = .always
    case 1: self = .ifAbsent
    case 2: self = .ifPresent
    case 3: self = .ifVersion(LogIndex(try reader.read(UInt64.self)))
    case 4: self = .ifValue(try reader.readSized(limit: Limits.valueBytes, what: "expected value"))
    default: throw .unknownValue(what: "condition", value: UInt64(kind))
    }
  }
}
