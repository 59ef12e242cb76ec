internal import KVBase

/// A sentence for a person: cut where it is too long, and never a reason to refuse the rest.
extension ByteWriter {
  mutating func append(message text: String) {
    append(short: Bytes(Array(text.utf8.prefix(Limits.errorMessageBytes))))
  }
}

extension ByteReader {
  mutating func readMessage() throws(WireError) -> String {
    let text = try readShort(limit: Limits.errorMessageBytes, what: "message")
    return String(decoding: text.array, as: UTF8.self)
  }
}
