internal import Glibc

/// A port of this machine that nobody else gets while this is held, though a node may listen on it,
/// end, and listen again.
///
/// It lies below the range from which the system gives ports to outgoing connections: else one of
/// those could have it while its node is down. A socket that is bound and doesn't listen keeps
/// others from choosing it, and not a node that listens with `SO_REUSEADDR`, as servers do.
struct PortReservation: ~Copyable, Sendable {
  let port: UInt16
  private let descriptor: Int32

  private init(port: UInt16, descriptor: Int32) {
    self.port = port
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static let lowest: UInt16 = 10_000

  /// The first free port from a place that differs from process to process; `nil` where none is.
  static func make() -> PortReservation? {
    let (low, high) = (Int(lowest), Int(max(firstEphemeral(), lowest + 1000)))
    let first = Int(UInt32(bitPattern: getpid()) &* 2_654_435_761 >> 8)
    for turn in 0..<high - low {
      let port = UInt16(low + (first + turn) % (high - low))
      if let made = PortReservation.reserve(port) { return made }
    }
    return nil
  }

  private static func reserve(_ port: UInt16) -> PortReservation? {
    let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard made >= 0 else { return nil }
    // Bound without the option, so that a port that is used in any way is passed over.
    let status = unsafe LoopbackAddress.with(port: port) { unsafe bind(made, $0, $1) }
    var yes: Int32 = 1
    let set = unsafe setsockopt(
      made, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    guard status == 0, set == 0 else {
      close(made)
      return nil
    }
    return PortReservation(port: port, descriptor: made)
  }

  /// Where the range of outgoing connections begins.
  private static func firstEphemeral() -> UInt16 {
    let text = Scratch.read("/proc/sys/net/ipv4/ip_local_port_range")
    return text.split(whereSeparator: \.isWhitespace).first.flatMap { UInt16($0) } ?? 32_768
  }
}

/// Held together. A class, since an array can't hold what is not copied.
final class HeldPort: Sendable {
  private let reservation: PortReservation
  var port: UInt16 { reservation.port }

  init?() {
    guard let made = PortReservation.make() else { return nil }
    reservation = made
  }
}
