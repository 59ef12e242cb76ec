internal import KVBase
internal import KVWire

/// What a frame that is not the owner's means to a link, by where the link stands.
enum Reception {
  case ignore
  case ping
  indirect case hello(Hello)
  indirect case goaway(Goaway)
  /// A protocol violation.
  indirect case violation(LinkEnd.Cause)

  /// A frame while the link greets: the first one must be HELLO, and the next ones wait for the
  /// answer to it.
  init(greeting type: FrameType, _ payload: Bytes, isFirst: Bool) {
    switch type {
    case .hello where isFirst: self = Self.hello(decoding: payload)
    case .goaway: self = Self.goaway(decoding: payload)
    case .hello, .request, .response, .data, .end, .cancel, .window, .ping, .pong, .peer:
      self = .violation(.unexpected(type))
    }
  }

  /// A frame on a link that carries `traffic`.
  init(_ type: FrameType, _ payload: Bytes, on traffic: Traffic) {
    switch type {
    case .ping where payload.count > Limits.pingBytes:
      let error = WireError.tooLong(
        what: "ping", length: payload.count, limit: Limits.pingBytes)
      self = .violation(.unreadable(error))
    case .ping: self = .ping
    case .pong: self = .ignore
    case .goaway: self = Self.goaway(decoding: payload)
    case .hello, .request, .response, .data, .end, .cancel, .window, .peer:
      self = traffic.ignores(type) ? .ignore : .violation(.unexpected(type))
    }
  }

  private static func hello(decoding payload: Bytes) -> Reception {
    do throws(WireError) {
      let hello = try Hello(decoding: payload)
      guard hello.speaksThisVersion else {
        return .violation(.version(lowest: hello.lowestVersion, highest: hello.highestVersion))
      }
      return .hello(hello)
    } catch {
      return .violation(.unreadable(error))
    }
  }

  private static func goaway(decoding payload: Bytes) -> Reception {
    do throws(WireError) {
      return .goaway(try Goaway(decoding: payload))
    } catch {
      return .violation(.unreadable(error))
    }
  }
}

extension Goaway {
  /// What the other side is told of a protocol violation. `isFirst`: it was the first frame.
  init(violation: LinkEnd.Cause, isFirst: Bool) {
    switch violation {
    case .version(let lowest, let highest):
      self.init(
        .version,
        "this side speaks version \(Hello.protocolVersion) of the protocol, and the other side "
          + "\(lowest) to \(highest)")
    case .unexpected where isFirst:
      self.init(.protocolViolation, "the first frame must be HELLO")
    case .unexpected(let type):
      self.init(.protocolViolation, "protocol violation: an unexpected \(type) frame")
    case .unreadable(let error):
      self.init(.protocolViolation, "protocol violation: \(error)")
    case .refused, .lost, .connectTimeout, .helloTimeout, .silence, .goaway, .rejected, .requested:
      preconditionFailure("\(violation) is no protocol violation")
    }
  }
}
