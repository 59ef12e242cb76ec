/// Whether every element that is opened is closed, in order; enough to find a tag that is not.
struct XMLText {
  private(set) var problem: String?

  init(_ text: String) {
    var open: [Substring] = []
    var remaining = text[...]
    while let start = remaining.firstIndex(of: "<") {
      guard let end = remaining[start...].firstIndex(of: ">") else {
        problem = "a tag has no end"
        return
      }
      let inside = remaining[remaining.index(after: start)..<end]
      remaining = remaining[remaining.index(after: end)...]
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
