internal import CEpoll
internal import Glibc

/// What a socket is ready for.
struct Readiness: Sendable {
  var token: UInt64
  var events: UInt32

  static let readable = EPOLLIN.rawValue
  static let writable = EPOLLOUT.rawValue
  /// The other side sends no more.
  static let peerEnded = EPOLLRDHUP.rawValue
  static let failed = EPOLLERR.rawValue | EPOLLHUP.rawValue
}

/// Waits for sockets, for a time, or for a call from another thread. Every call may come from any
/// thread, except `wait`, which is the proxies' thread's, and `close`, after it has ended.
final class Poller: Sendable {
  private let epoll: Int32
  private let bell: Int32
  private let timer: Int32
  private static let bellToken = UInt64.max
  private static let timerToken = UInt64.max - 1

  init() throws(NetworkError) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    timer = timerfd_create(
      CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
    guard epoll >= 0, bell >= 0, timer >= 0, add(bell, Self.bellToken, Readiness.readable),
      add(timer, Self.timerToken, Readiness.readable)
    else {
      let error = errno
      for descriptor in [epoll, bell, timer] where descriptor >= 0 { Glibc.close(descriptor) }
      throw NetworkError("can't wait for sockets", error: error)
    }
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ token: UInt64, _ events: UInt32
  ) -> Bool {
    var event = unsafe epoll_event()
    unsafe event.events = events
    unsafe event.data.u64 = token
    return unsafe epoll_ctl(epoll, operation, descriptor, &event) == 0
  }

  func add(_ descriptor: Int32, _ token: UInt64, _ events: UInt32) -> Bool {
    control(EPOLL_CTL_ADD, descriptor, token, events)
  }

  func change(_ descriptor: Int32, _ token: UInt64, _ events: UInt32) -> Bool {
    control(EPOLL_CTL_MOD, descriptor, token, events)
  }

  func remove(_ descriptor: Int32) {
    _ = control(EPOLL_CTL_DEL, descriptor, 0, 0)
  }

  /// Ends a wait, or the next one.
  func ring() {
    var one: UInt64 = 1
    _ = unsafe write(bell, &one, MemoryLayout<UInt64>.size)
  }

  /// Ends a wait at that time on the monotonic clock.
  func wakeUp(at nanoseconds: UInt64) {
    var time = itimerspec()
    // 0 would stop the timer.
    let nanoseconds = max(nanoseconds, 1)
    time.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
    time.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
    _ = unsafe timerfd_settime(timer, Int32(TFD_TIMER_ABSTIME), &time, nil)
  }

  /// Waits; `ready` gets the sockets that are ready, none where it was a time or a call.
  func wait(into ready: inout [Readiness]) {
    ready.removeAll(keepingCapacity: true)
    unsafe withUnsafeTemporaryAllocation(
      of: epoll_event.self, capacity: NetworkLimits.readyPerTurn
    ) { room in
      let count = unsafe epoll_wait(epoll, room.baseAddress, Int32(room.count), -1)
      guard count > 0 else { return }
      for at in 0..<Int(count) {
        let token = unsafe room[at].data.u64
        switch token {
        case Self.bellToken: drain(bell)
        case Self.timerToken: drain(timer)
        default: ready.append(Readiness(token: token, events: unsafe room[at].events))
        }
      }
    }
  }

  private func drain(_ descriptor: Int32) {
    var count: UInt64 = 0
    _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
  }

  func close() {
    for descriptor in [epoll, bell, timer] { Glibc.close(descriptor) }
  }
}
