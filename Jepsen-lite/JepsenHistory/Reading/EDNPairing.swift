/// Makes operations of Jepsen's events: an invocation and what completed it, by process.
struct EDNPairing {
  struct Problem: Error { var text: String }

  private struct Open {
    var operation: Int
    var line: Int
    var function: String
  }

  private enum Completion: String { case ok, fail, info }

  private let options: ReadingOptions
  private(set) var operations: [HistoryOperation] = []
  /// Events of clients.
  private(set) var events = 0
  private(set) var skipped = 0
  private var open: [Int64: Open] = [:]
  /// Whether events have a `:time`; `nil` before the first one. Where they have none, their order
  /// stands for it.
  private var hasTime: Bool?

  init(_ options: ReadingOptions) { self.options = options }

  mutating func add(_ pairs: [EDNPair], line: Int) throws(Problem) {
    var event = EDNEvent()
    try event.add(pairs)
    guard let process = event.process else {
      // The nemesis, and whatever else is no client.
      skipped += 1
      return
    }
    guard let type = event.type else { throw Problem(text: ":type is missing") }
    let time = try self.time(of: event)
    events += 1
    if type == "invoke" {
      try begin(event, process, time, line)
    } else if let completion = Completion(rawValue: type) {
      try complete(event, process, time, completion)
    } else {
      throw Problem(text: "there is no :type :\(type): it is :invoke, :ok, :fail or :info")
    }
  }

  private mutating func time(of event: EDNEvent) throws(Problem) -> UInt64 {
    let given = event.time.flatMap { UInt64(exactly: $0) }
    if hasTime == nil { hasTime = given != nil }
    if let given, hasTime == true { return given }
    guard hasTime == false else {
      throw Problem(text: ":time is missing, though earlier operations have it")
    }
    return UInt64(events) + 1
  }

  private mutating func begin(
    _ event: EDNEvent, _ process: Int64, _ time: UInt64, _ line: Int
  ) throws(Problem) {
    if let earlier = open[process] {
      throw Problem(
        text: "process \(process) invokes :\(event.function ?? "nil") while its"
          + " :\(earlier.function) of line \(earlier.line) is open")
    }
    guard operations.count < options.limits.operations else {
      throw Problem(text: "there are more than \(options.limits.operations) operations")
    }
    guard let function = event.function else { throw Problem(text: ":f is missing") }
    if event.readsTuple(options) {
      throw Problem(
        text: "a read is invoked with \(event.value.text), as of a key and a value: say"
          + " --independent where the values of a history are [key value]")
    }
    let meaning = try EDNMeaning(event, options)
    open[process] = Open(operation: operations.count, line: line, function: function)
    operations.append(
      HistoryOperation(
        process: Int(process), kind: meaning.kind, key: meaning.key, value: meaning.value,
        expected: meaning.expected, startNanoseconds: time, endNanoseconds: nil,
        outcome: .unknown))
  }

  private mutating func complete(
    _ event: EDNEvent, _ process: Int64, _ time: UInt64, _ completion: Completion
  ) throws(Problem) {
    guard let begun = open.removeValue(forKey: process) else {
      throw Problem(text: "process \(process) completes an operation that it never invoked")
    }
    if let function = event.function, function != begun.function {
      throw Problem(
        text: "process \(process) completes :\(function), and line \(begun.line) invokes"
          + " :\(begun.function)")
    }
    let started = operations[begun.operation].startNanoseconds
    guard time >= started else {
      throw Problem(
        text: "process \(process) completes at :time \(time), before it invokes at \(started)")
    }
    switch completion {
    case .info: return
    case .fail:
      let isObservation =
        operations[begun.operation].kind == .cas && event.error == nil
        && options.failedCas == .observed
      operations[begun.operation].outcome =
        isObservation ? .mismatch : .refused(event.error?.text ?? "failed")
    case .ok:
      let kind = operations[begun.operation].kind
      if kind == .read || kind == .generate {
        let meaning = try EDNMeaning(event, options, function: begun.function)
        guard meaning.key == operations[begun.operation].key else {
          throw Problem(
            text: "process \(process) completes a read of key \(meaning.key), and line"
              + " \(begun.line) reads \(operations[begun.operation].key)")
        }
        operations[begun.operation].value = meaning.value
      }
      if kind == .acquire, let token = event.value.integer {
        operations[begun.operation].result = .integer(token)
      }
      operations[begun.operation].outcome = .ok
    }
    operations[begun.operation].endNanoseconds = time
  }
}

/// The fields of an event that matter here.
struct EDNEvent {
  var type: String?
  var function: String?
  /// `nil`: the nemesis, or another that is no client.
  var process: Int64?
  var value = EDNForm.none
  var time: Int64?
  var error: EDNForm?

  /// A read that is invoked has no value but its key: `[k nil]` without a tag is one of
  /// `jepsen.independent`, which prints its tuples as plain vectors.
  func readsTuple(_ options: ReadingOptions) -> Bool {
    guard !options.isIndependent, function == "read", case .sequence(let parts) = value else {
      return false
    }
    return parts.count == 2 && parts[1].isNone
  }

  mutating func add(_ pairs: [EDNPair]) throws(EDNPairing.Problem) {
    var hasProcess = false
    for pair in pairs {
      guard case .keyword(let name) = pair.key else { continue }
      switch name {
      case "type": type = pair.value.name
      case "f": function = pair.value.name
      case "process":
        hasProcess = true
        process = pair.value.integer
      case "value": value = pair.value
      case "time": time = pair.value.integer
      case "error": error = pair.value.isNone ? nil : pair.value
      default: break
      }
    }
    guard hasProcess else { throw EDNPairing.Problem(text: ":process is missing") }
  }
}
