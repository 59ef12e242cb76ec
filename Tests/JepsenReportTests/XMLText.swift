/// Whether every element that is opened is closed, in order; enough to find a tag that is not.
struct XMLText {
  private(set) var problem: String?

  init(_ text: String) {
    var open: [Substring] = []
    var rest = text[...]
    while let start = rest.firstIndex(of: "<") {
      guard let end = rest[start...].firstIndex(of: ">") else {
        problem = "a tag has no end"
        return
      }
      let inside = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if inside.hasPrefix("!") || inside.hasSuffix("/") { continue }
      if inside.hasPrefix("/") {
        guard open.popLast() == inside.dropFirst() else {
          problem = "\(inside) closes something else"
          return
        }
      } else {
        open.append(inside.prefix { $0 != " " && $0 != "\n" })
      }
    }
    if let left = open.last { problem = "\(left) is not closed" }
  }
}
