/// Carries a reference to another thread where the type can't say that this is safe. Each use says
/// why it is.
struct Unchecked<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
