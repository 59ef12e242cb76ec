internal import JepsenHistory

/// What `jepsen-lite check` was asked for.
package struct CheckArguments: Sendable {
  package var file = ""
  /// `nil`: seen from the operations.
  var model: LinearizabilityChecker.Model?
  package var initial: String?
  package var format: String?
  package var failedCas: String?
  package var isIndependent = false
  package var seconds: Double = 60
  package var megabytes = 2048
  package var witnessFile: String?
  package var isJSON = false
  package var leaseSeconds: Double?
  package var isOverdraftAllowed = true

  package static let usage = """
    usage: jepsen-lite check FILE [options]
      FILE               a recorded history; - reads standard input
      --model MODEL      register, list, set, counter, bank, scan, ids or locks
                         (seen from the operations)
      --initial VALUE    what every register, counter or bank held before the
                         history began (absent, 0)
      --failed-cas HOW   observed: a cas that failed found another value;
                         ignored: it says nothing (observed in json, ignored in
                         edn; one that failed with an error never says anything)
      --format FORMAT    json: the project's JSON lines, or edn: Jepsen's
                         (seen from the first bytes)
      --independent      edn: every value is a vector of key and value, [k v]
      --lease SECONDS    locks: after so long others may take a lock (never)
      --no-overdraft     bank: a balance is never below 0
      --seconds N        time for the decision (60)
      --memory MB        memory for the decision (2048)
      --witness FILE     writes the operations of a violation there, as JSON lines
      -o, --output FORM  text or json (text)
    exit codes: 0 passed, 1 violated, 2 usage or a file that can't be read,
      3 unknown, 4 the history proves nothing
    """

  /// Why the arguments make no sense, in a sentence.
  package struct Problem: Error { package var text: String }

  package init(_ arguments: [String]) throws(Problem) {
    var remaining = arguments[...]
    var files: [String] = []
    while let word = remaining.popFirst() {
      var flag = word
      if word.hasPrefix("--"), let equals = word.firstIndex(of: "=") {
        flag = String(word[..<equals])
        remaining.insert(String(word[word.index(after: equals)...]), at: remaining.startIndex)
      }
      switch flag {
      case "--independent": isIndependent = true
      case "--no-overdraft": isOverdraftAllowed = false
      case "--model", "--initial", "--failed-cas", "--format", "--seconds", "--memory",
        "--lease", "--witness", "-o", "--output":
        guard let value = remaining.popFirst() else { throw Problem(text: "\(flag) needs a value") }
        try apply(flag, value)
      case _ where flag.hasPrefix("-") && flag != "-":
        throw Problem(text: "there is no option \(flag)")
      default: files.append(word)
      }
    }
    guard let file = files.first else {
      throw Problem(text: "a history is needed: name its file, or - for standard input")
    }
    guard files.count == 1 else {
      throw Problem(text: "one history is checked at a time, not \(files.count)")
    }
    self.file = file
  }

  private mutating func apply(_ flag: String, _ value: String) throws(Problem) {
    switch flag {
    case "--model":
      guard let known = LinearizabilityChecker.Model(rawValue: value) else {
        throw Problem(text: "there is no model \(value): \(LinearizabilityChecker.Model.names)")
      }
      model = known
    case "--failed-cas":
      guard FailedCas(rawValue: value) != nil else {
        throw Problem(text: "--failed-cas is observed or ignored, not \(value)")
      }
      failedCas = value
    case "--format":
      guard HistoryFormat(rawValue: value) != nil else {
        throw Problem(text: "--format is json or edn, not \(value)")
      }
      format = value
    case "--seconds":
      guard let number = Double(value), number > 0, number <= 1e6 else {
        throw Problem(text: "--seconds needs a number above 0, not \(value)")
      }
      seconds = number
    case "--lease":
      guard let number = Double(value), number > 0, number <= 1e6 else {
        throw Problem(text: "--lease needs a number of seconds above 0, not \(value)")
      }
      leaseSeconds = number
    case "--memory":
      guard let number = Int(value), (1...1_000_000).contains(number) else {
        throw Problem(text: "--memory needs a number of megabytes, not \(value)")
      }
      megabytes = number
    case "-o", "--output":
      guard value == "text" || value == "json" else {
        throw Problem(text: "--output is text or json, not \(value)")
      }
      isJSON = value == "json"
    case "--initial": initial = value
    default: witnessFile = value
    }
  }

  var readingOptions: ReadingOptions {
    var options = ReadingOptions()
    options.format = format.flatMap { HistoryFormat(rawValue: $0) }
    options.failedCas = failedCas.flatMap { FailedCas(rawValue: $0) }
    options.isIndependent = isIndependent
    return options
  }
}
