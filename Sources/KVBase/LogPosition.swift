/// A position in the node's log: how many bytes of its segments come before, counted over the whole
/// life of the log. It goes on rising when segments are recycled and when the node starts again, so
/// a position at which something durable stands never names anything else. (What was appended and
/// not synced may be lost with the power; its positions are then given to what is appended next.)
///
/// The difference of two positions is the number of bytes of log between them. `zero` comes before
/// every record.
@frozen
@usableFromInline
package struct LogPosition: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  @usableFromInline package let rawValue: UInt64
  @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package static var zero: LogPosition { LogPosition(0) }
  @inlinable package static func + (a: Self, b: Int) -> Self {
    LogPosition(a.rawValue + UInt64(b))
  }
  /// How many bytes lie between the two; negative where `a` is the lower.
  @inlinable package static func - (a: Self, b: Self) -> Int {
    Int(Int64(bitPattern: a.rawValue &- b.rawValue))
  }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "\(rawValue)" }
}
