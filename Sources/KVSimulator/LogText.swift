import KVBase
import KVLog

/// Records of the log as text, for the log of events.
enum LogText {
  static func text(_ records: [LogRecord]) -> String {
    records.map { record in
      switch record {
      case .hardState(let group, let state):
        "\(group) term \(state.term) vote \(state.vote.map { "\($0)" } ?? "none")"
      case .entries(let group, let entries):
        "\(group) entries "
          + entries.map { "\($0.index)@\($0.term)" }.joined(separator: " ")
      case .reset(let group, let generation, let index, let term, _):
        "\(group) reset to \(index)@\(term) generation \(generation)"
      case .removed(let group): "\(group) removed"
      case .data(let plane, let partition, let payload):
        "\(plane) \(partition) data of \(payload.count) bytes"
      }
    }.joined(separator: "; ")
  }
}
