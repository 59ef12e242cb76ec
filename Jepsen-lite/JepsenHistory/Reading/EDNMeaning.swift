/// What the `:f` and `:value` of an event ask for.
struct EDNMeaning {
  typealias Problem = EDNPairing.Problem

  /// The key of histories that know only one object.
  static let onlyKey = "x"

  var kind: HistoryOperation.Kind
  var key = EDNMeaning.onlyKey
  var value: HistoryValue?
  var expected: HistoryValue?

  init(_ event: EDNEvent, _ options: ReadingOptions, function: String? = nil) throws(Problem) {
    let function = function ?? event.function ?? ""
    var form = event.value
    if let tuple = Self.tuple(form, options) {
      guard tuple.count == 2 else {
        throw Problem(text: "\(form.text) stands where a key and a value should, [k v]")
      }
      key = try Self.name(tuple[0])
      form = tuple[1]
    } else if options.isIndependent {
      throw Problem(text: "\(form.text) stands where a key and a value should, [k v]")
    }
    if function == "txn" {
      (kind, key, value) = try Self.transaction(form)
      return
    }
    guard let known = Self.kind(function) else {
      throw Problem(
        text: "there is no check for :f :\(function): known are :read, :write, :cas, :delete,"
          + " :add, :append, :transfer, :generate, :acquire, :release and :txn of one operation")
    }
    kind = known
    switch kind {
    case .cas:
      guard let values = form.elements, values.count == 2 else {
        throw Problem(text: "\(form.text) stands where the values of a cas should, [old new]")
      }
      expected = try Self.value(values[0])
      value = try Self.value(values[1])
    case .transfer: value = try Self.transfer(form)
    case .delete, .acquire, .release: break
    default: value = try Self.value(form)
    }
  }

  private static func kind(_ function: String) -> HistoryOperation.Kind? {
    switch function {
    case "read", "r": .read
    case "write", "w": .write
    case "scan": nil
    default: HistoryOperation.Kind(rawValue: function)
    }
  }

  private static func tuple(_ form: EDNForm, _ options: ReadingOptions) -> [EDNForm]? {
    if case .tagged(let tag, _) = form,
      ["jepsen.independent.Tuple", "clojure.lang.MapEntry"].contains(tag)
    {
      return form.elements ?? []
    }
    return options.isIndependent ? form.elements : nil
  }

  private static func name(_ form: EDNForm) throws(Problem) -> String {
    if let name = form.name { return name }
    if let number = form.integer { return String(number) }
    throw Problem(text: "\(form.text) stands where a key should")
  }

  /// `[[:r k nil]]`, `[[:w k 1]]`, `[[:append k 1]]`: a transaction of one is an operation.
  private static func transaction(
    _ form: EDNForm
  ) throws(Problem) -> (HistoryOperation.Kind, String, HistoryValue?) {
    guard let parts = form.elements else {
      throw Problem(text: "\(form.text) stands where the operations of a :txn should")
    }
    guard parts.count == 1, let part = parts.first?.elements, part.count == 3,
      let function = part[0].name, let kind = kind(function),
      kind == .read || kind == .write || kind == .append
    else {
      throw Problem(
        text: "a :txn is checked here only where it is one :r, :w or :append,"
          + " as in [[:append 5 1]], and this is \(form.text)")
    }
    return (kind, try name(part[1]), try value(part[2]))
  }

  private static func transfer(_ form: EDNForm) throws(Problem) -> HistoryValue {
    guard case .map(let pairs) = form.untagged else {
      throw Problem(text: "\(form.text) stands where {:from, :to, :amount} should")
    }
    func part(_ name: String) throws(Problem) -> HistoryValue.Field {
      guard let found = pairs.first(where: { $0.key.name == name }),
        let value = try value(found.value)
      else { throw Problem(text: "a transfer lacks :\(name)") }
      return HistoryValue.Field(name, value)
    }
    var from = try part("from")
    var to = try part("to")
    // Accounts are names, as in the maps that reads show.
    if let number = from.value.integer { from.value = .text(String(number)) }
    if let number = to.value.integer { to.value = .text(String(number)) }
    return .map([try part("amount"), from, to])
  }

  /// A value as histories have them; `nil` for nil.
  static func value(_ form: EDNForm) throws(Problem) -> HistoryValue? {
    switch form.untagged {
    case .none: return nil
    case .boolean(let value): return .text(String(value))
    case .integer(let number): return .integer(number)
    case .string(let text), .keyword(let text), .symbol(let text): return .text(text)
    case .otherNumber(let text):
      throw Problem(text: "\(text) is no integer of 64 bits, and values must be")
    case .sequence(let forms), .set(let forms):
      var elements: [HistoryValue] = []
      elements.reserveCapacity(forms.count)
      for form in forms { elements.append(try value(form) ?? .text("nil")) }
      return .list(elements)
    case .map(let pairs):
      var fields: [HistoryValue.Field] = []
      for pair in pairs {
        fields.append(
          HistoryValue.Field(try name(pair.key), try value(pair.value) ?? .text("nil")))
      }
      guard let sorted = HistoryValue.sorted(fields) else {
        throw Problem(text: "a map has a key twice: \(form.text)")
      }
      return .map(sorted)
    case .tagged: return nil
    }
  }
}
