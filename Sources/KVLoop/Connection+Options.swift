internal import CLibUV
internal import Glibc
internal import KVBase

extension Connection {
  /// Small frames leave at once, and a peer whose machine is gone is noticed within half a minute:
  /// by probes where nothing is sent, by the user time-out where something waits for its
  /// acknowledgement. A peer that is there and takes nothing for as long counts as gone too.
  func setSocketOptions() {
    guard let tcp = unsafe rawAs(uv_tcp_t.self) else { return }
    unsafe uv_tcp_nodelay(tcp, 1)
    unsafe uv_tcp_keepalive(tcp, 1, UInt32(Limits.keepAliveIdleSeconds))
    #if os(Linux)
      var descriptor: uv_os_fd_t = -1
      guard unsafe uv_fileno(rawAs(uv_handle_t.self), &descriptor) == 0 else { return }
      set(descriptor, TCP_KEEPINTVL, Limits.keepAliveIntervalSeconds)
      set(descriptor, TCP_KEEPCNT, Limits.keepAliveProbes)
      set(descriptor, TCP_USER_TIMEOUT, Limits.acknowledgementMilliseconds)
    #endif
  }

  private func set(_ descriptor: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    // One that the system does not know leaves the system's own time-outs in force.
    _ = unsafe setsockopt(
      descriptor, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}
