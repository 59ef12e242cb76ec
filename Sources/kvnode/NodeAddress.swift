/// `HOST:PORT` as it is typed in a setting.
enum NodeAddress {
  /// What is wrong with it and what to write, as the end of a sentence; `nil` where nothing is.
  static func problem(_ text: String) -> String? {
    guard let colon = text.lastIndex(of: ":") else {
      return UInt16(text) == nil
        ? "has no port: write HOST:PORT, such as \(text.isEmpty ? "127.0.0.1" : text):7401"
        : "has no host: write HOST:PORT, such as 127.0.0.1:\(text)"
    }
    let host = text[..<colon]
    let port = text[text.index(after: colon)...]
    if host.isEmpty {
      return "has no host: write HOST:PORT, such as 127.0.0.1\(text), or 0.0.0.0\(text) for every "
        + "address of this machine"
    }
    if host.contains(":"), !(host.hasPrefix("[") && host.hasSuffix("]")) {
      return "has more than one colon: write HOST:PORT, an IPv6 address in brackets, such as "
        + "[::1]:7401"
    }
    if port.isEmpty { return "has no port: write HOST:PORT, such as \(host):7401" }
    guard port.allSatisfy(\.isASCII), let number = UInt16(port), !port.hasPrefix("+") else {
      return "has '\(port)' for a port: a port is a number from 1 to 65535"
    }
    if number == 0 { return "has port 0: nobody would find the node; choose one of 1 to 65535" }
    return nil
  }
}
