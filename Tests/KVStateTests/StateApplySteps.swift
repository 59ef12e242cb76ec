import KVBase
import KVCommand

extension StateApplyTests {
  /// Each command of one log, and what it must answer.
  static var stepsWithAnswers: [(CommandBody, CommandResult)] {
    let k = KeyspaceID.default
    let all = (Int64.min, Int64.max)
    func add(_ key: Bytes, _ delta: Int64, _ low: Int64 = all.0, _ high: Int64 = all.1)
      -> CommandBody
    { .mutate(keyspace: k, key: key, .add(delta: delta, minimum: low, maximum: high)) }
    func put(_ key: Bytes, _ value: Bytes, _ condition: Condition = .always) -> CommandBody {
      .mutate(keyspace: k, key: key, .put(value: value, condition: condition))
    }
    func delete(_ key: Bytes, _ condition: Condition = .always) -> CommandBody {
      .mutate(keyspace: k, key: key, .delete(condition: condition))
    }
    func append(_ key: Bytes, _ suffix: Bytes, _ keyspace: KeyspaceID = k) -> CommandBody {
      .mutate(keyspace: keyspace, key: key, .append(suffix: suffix))
    }
    func at(_ index: UInt64) -> LogIndex { LogIndex(index) }
    let long = Bytes([UInt8](repeating: 65, count: Limits.valueBytes))
    return [
      (put("a", "1", .ifPresent), .conditionFailed(current: .zero)),  // 1
      (put("a", "1", .ifVersion(at(9))), .conditionFailed(current: .zero)),
      (put("a", "1", .ifValue("1")), .conditionFailed(current: .zero)),
      (put("a", "1", .ifAbsent), .written(version: at(4))),
      (put("a", "2", .ifAbsent), .conditionFailed(current: at(4))),
      (put("a", "2", .ifVersion(at(3))), .conditionFailed(current: at(4))),
      (put("a", "2", .ifVersion(at(4))), .written(version: at(7))),
      (put("a", "3", .ifValue("1")), .conditionFailed(current: at(7))),
      (put("a", "3", .ifValue("2")), .written(version: at(9))),
      (put("a", "4", .ifPresent), .written(version: at(10))),
      (put("b", "1", .ifVersion(.zero)), .written(version: at(11))),
      (delete("c"), .deleted(existed: false, version: at(12))),
      (delete("c", .ifPresent), .conditionFailed(current: .zero)),
      (delete("b", .ifAbsent), .conditionFailed(current: at(11))),
      (delete("b", .ifVersion(at(1))), .conditionFailed(current: at(11))),
      (delete("b", .ifValue("1")), .deleted(existed: true, version: at(16))),
      (delete("b"), .deleted(existed: false, version: at(17))),
      (add("n", 5), .added(value: 5, version: at(18))),
      (add("n", -8, 0), .outOfBounds(current: 5)),
      (add("n", 8, 0, 10), .outOfBounds(current: 5)),
      (add("n", -5, 0, 10), .added(value: 0, version: at(21))),
      (add("n", .max), .added(value: .max, version: at(22))),
      (add("n", 1), .outOfBounds(current: .max)),
      (put("n", "-9223372036854775808"), .written(version: at(24))),
      (add("n", -1), .outOfBounds(current: .min)),
      (add("n", 0), .added(value: .min, version: at(26))),
      (put("n", "9223372036854775808"), .written(version: at(27))),
      (add("n", 1), .notAnInteger),
      (put("n", "007"), .written(version: at(29))),
      (add("n", 1), .notAnInteger),
      (put("n", Bytes()), .written(version: at(31))),
      (add("n", 1), .notAnInteger),
      (.meta(.form(formed())), .noSuchKeyspace),
      (.expireSessions(createdThroughMilliseconds: 5), .done),
      (.dropKeyspaceRecords(k), .done),
      (.dropKeyspaceRecords(k), .done),
      (put("a", "1"), .keyspaceDropped),
      (delete("a"), .keyspaceDropped),
      (add("a", 1), .keyspaceDropped),
      (
        .mutate(keyspace: KeyspaceID(2), key: "a", .put(value: "1")),
        .written(version: at(40))
      ),
      (append("j", "one", KeyspaceID(2)), .appended(length: 3, version: at(41))),
      (append("j", "", KeyspaceID(2)), .appended(length: 3, version: at(42))),
      (append("j", long, KeyspaceID(2)), .valueTooLong(current: 3)),
      (append("j", ",two", KeyspaceID(2)), .appended(length: 7, version: at(44))),
      (append("a", "0", KeyspaceID(2)), .appended(length: 2, version: at(45))),
      (
        .mutate(keyspace: KeyspaceID(2), key: "a", .add(delta: 1)),
        .added(value: 11, version: at(46))
      ),
      (append("a", "1"), .keyspaceDropped),
    ]
  }
}
