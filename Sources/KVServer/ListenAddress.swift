internal import KVBase
internal import KVLoop

/// Where a node is to listen, and why it can't: each cause with what to do about it.
enum ListenAddress {
  static func find(_ text: String) throws(Server.StartError) -> HostPort {
    guard let address = HostPort(parsing: text) else {
      throw Server.StartError("'\(text)' is not HOST:PORT")
    }
    do {
      return try Listener.numericAddress(of: address)
    } catch {
      throw Server.StartError(sentence(error.kind, address) ?? error.description)
    }
  }

  private static func sentence(_ kind: LoopError.Kind, _ address: HostPort) -> String? {
    switch kind {
    case .addressInUse:
      "\(address) is in use by another program, perhaps a node that still runs: stop that one, or "
        + "choose another address with --listen"
    case .addressNotAvailable:
      "\(address) is not an address of this machine: choose one that is with --listen, or "
        + "0.0.0.0:\(address.port) for all of them"
    case .permissionDenied:
      "the system does not permit this user to listen on \(address): choose a port of 1024 or "
        + "above with --listen"
    case .nameNotFound:
      "the host '\(address.host)' to listen on has no address: correct the name, or choose an "
        + "address with --listen, such as 0.0.0.0:\(address.port)"
    default: nil
    }
  }
}
