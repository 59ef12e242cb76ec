/// Numbers for values, from 1 up in the order in which they are first met.
///
/// Nearly all values are integers or texts of at most 15 bytes. Those are packed into two words and
/// looked up by them, without a hash of the text's characters.
struct ValueNumbers {
  private struct Position {
    var low: UInt64 = 0
    var high: UInt64 = 0
    /// 0: nothing here.
    var number: Int64 = 0
  }

  private var positions: [Position]
  private var others: [HistoryValue: Int64] = [:]
  private(set) var count: Int64 = 0

  init() { positions = Array(repeating: Position(), count: 256) }

  mutating func number(of value: HistoryValue) -> Int64 {
    switch value {
    case .integer(let integer):
      return number(UInt64(bitPattern: integer), 0xFF << 56)
    case .text(let text):
      let length = text.utf8.count
      if length <= 15 {
        var low: UInt64 = 0
        var high = UInt64(length + 1) << 56
        var shift: UInt64 = 0
        for byte in text.utf8 {
          if shift < 64 {
            low |= UInt64(byte) << shift
          } else {
            high |= UInt64(byte) << (shift - 64)
          }
          shift += 8
        }
        return number(low, high)
      }
    case .list, .map: break
    }
    if let known = others[value] { return known }
    count += 1
    others[value] = count
    return count
  }

  private mutating func number(_ low: UInt64, _ high: UInt64) -> Int64 {
    if Int(count) * 2 >= positions.count { grow() }
    let mask = positions.count - 1
    var position = Self.hash(low, high) & mask
    while positions[position].number != 0 {
      if positions[position].low == low && positions[position].high == high {
        return positions[position].number
      }
      position = (position + 1) & mask
    }
    count += 1
    positions[position] = Position(low: low, high: high, number: count)
    return count
  }

  private static func hash(_ low: UInt64, _ high: UInt64) -> Int {
    var hash = (low ^ (high &* 0x9E37_79B9_7F4A_7C15)) &* 0xD6E8_FEB8_6659_FD93
    hash ^= hash >> 32
    hash = hash &* 0xD6E8_FEB8_6659_FD93
    return Int(truncatingIfNeeded: hash >> 20)
  }

  private mutating func grow() {
    let old = positions
    positions = Array(repeating: Position(), count: old.count * 4)
    let mask = positions.count - 1
    for entry in old where entry.number != 0 {
      var position = Self.hash(entry.low, entry.high) & mask
      while positions[position].number != 0 { position = (position + 1) & mask }
      positions[position] = entry
    }
  }
}

/// The operations of a history by key, as positions in it: nothing is copied.
struct KeyGroups {
  /// In order of their names.
  private(set) var keys: [String] = []
  private var numbers: [Int32] = []
  private var from: [Int] = []

  init(_ history: [HistoryOperation]) {
    var known: [ExactText: Int32] = [:]
    var names: [String] = []
    var of: [Int32] = []
    of.reserveCapacity(history.count)
    var last: Int32 = -1
    for position in history.indices {
      if last < 0 || !history[position].key.hasSameBytes(as: names[Int(last)]) {
        let key = history[position].key
        if let number = known[ExactText(key)] {
          last = number
        } else {
          last = Int32(names.count)
          known[ExactText(key)] = last
          names.append(key)
        }
      }
      of.append(last)
    }
    let order = names.indices.sorted { ExactText(names[$0]) < ExactText(names[$1]) }
    var rank: [Int32] = Array(repeating: 0, count: names.count)
    for (position, number) in order.enumerated() { rank[number] = Int32(position) }
    keys = order.map { names[$0] }
    from = Array(repeating: 0, count: names.count + 1)
    for number in of { from[Int(rank[Int(number)]) + 1] += 1 }
    for position in 1..<from.count { from[position] += from[position - 1] }
    var fill = from
    numbers = Array(repeating: 0, count: history.count)
    for (position, number) in of.enumerated() {
      let key = Int(rank[Int(number)])
      numbers[fill[key]] = Int32(position)
      fill[key] += 1
    }
  }

  /// Positions in the history of the operations on `keys[key]`.
  func operations(of key: Int) -> ArraySlice<Int32> { numbers[from[key]..<from[key + 1]] }
}
