internal import JepsenHistory
internal import KVBase

/// Banks of accounts whose sum never changes. A bank is one record, `a0=10,a1=7,…`; a transfer
/// reads it and replaces it at the version it read.
struct BankWorkload: Workload {
  static let accounts = 5
  static let opening: Int64 = 100

  private let banks: Int

  init(banks: Int) { self.banks = banks }

  var hotKey: String { "bank-0" }
  var checks: [Check] { [.linearizable(.bank)] }
  var kinds: [HistoryOperation.Kind] { [.read, .transfer] }

  func prepare(_ caller: Caller) async {
    let opened = (0..<Self.accounts).map { (name: "a\($0)", balance: Self.opening) }
    for bank in 0..<banks {
      let text = Self.encode(opened)
      let operation = caller.begin(.write, "bank-\(bank)", value: Self.value(text))
      caller.end(operation, await caller.perform(.write(key: operation.key, value: text)))
    }
  }

  func step(_ caller: Caller) async {
    let key = "bank-\(caller.random.below(UInt64(banks)))"
    if caller.random.chance(1, in: 2) {
      await caller.read(key, .linearizable, Self.value)
      return
    }
    let from = Int(caller.random.below(UInt64(Self.accounts)))
    let to = (from + 1 + Int(caller.random.below(UInt64(Self.accounts - 1)))) % Self.accounts
    let amount = Int64(caller.random.below(5)) + 1
    let operation = caller.begin(
      .transfer, key,
      value: .map([
        .init("amount", .integer(amount)), .init("from", .text("a\(from)")),
        .init("to", .text("a\(to)")),
      ]))
    let answer = await caller.readAndReplace(key) { text in
      var balances = Self.decode(text)
      guard let payer = balances.firstIndex(where: { $0.name == "a\(from)" }),
        let payee = balances.firstIndex(where: { $0.name == "a\(to)" }),
        balances[payer].balance >= amount
      else { return nil }
      balances[payer].balance -= amount
      balances[payee].balance += amount
      return Self.encode(balances)
    }
    caller.end(operation, answer)
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for bank in 0..<banks {
      await caller.insist { await caller.read("bank-\(bank)", .linearizable, Self.value) }
    }
  }

  // MARK: The record

  private static func encode(_ balances: [(name: String, balance: Int64)]) -> String {
    balances.map { "\($0.name)=\($0.balance)" }.joined(separator: ",")
  }

  private static func decode(_ text: String?) -> [(name: String, balance: Int64)] {
    (text ?? "").split(separator: ",").compactMap { field in
      let parts = field.split(separator: "=")
      guard parts.count == 2, let balance = Int64(parts[1]) else { return nil }
      return (String(parts[0]), balance)
    }
  }

  static func value(_ text: String?) -> HistoryValue? {
    guard let text else { return nil }
    return .map(decode(text).map { .init($0.name, .integer($0.balance)) })
  }
}
