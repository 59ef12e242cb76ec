/// A stable sort of positions by 64-bit keys, byte by byte: linear, and bytes in which all keys
/// agree cost one look.
enum ZoneSort {
  private struct Keyed {
    var key: UInt64
    var position: Int32
  }

  static func sorted(_ positions: [Int32], by key: (Int32) -> UInt64) -> [Int32] {
    guard positions.count > 1 else { return positions }
    var from = positions.map { Keyed(key: key($0), position: $0) }
    var isSorted = true
    var differing: UInt64 = 0
    for index in 1..<from.count {
      differing |= from[index].key ^ from[index - 1].key
      if from[index].key < from[index - 1].key { isSorted = false }
    }
    if isSorted { return positions }
    if from.count < 256 {
      for index in 1..<from.count {
        let moving = from[index]
        var hole = index
        while hole > 0 && from[hole - 1].key > moving.key {
          from[hole] = from[hole - 1]
          hole -= 1
        }
        from[hole] = moving
      }
      return from.map(\.position)
    }
    var to = from
    let width: UInt64 = 11
    for shift in stride(from: UInt64(0), to: 64, by: Int(width)) {
      let mask: UInt64 = (1 << width) - 1
      if (differing >> shift) & mask == 0 { continue }
      var offsets = [Int](repeating: 0, count: Int(mask) + 2)
      for item in from { offsets[Int((item.key >> shift) & mask) + 1] += 1 }
      for digit in 1..<offsets.count { offsets[digit] += offsets[digit - 1] }
      for item in from {
        let digit = Int((item.key >> shift) & mask)
        to[offsets[digit]] = item
        offsets[digit] += 1
      }
      swap(&from, &to)
    }
    return from.map(\.position)
  }
}
