internal import Glibc
internal import Synchronization

/// Ctrl-C ends a run early but orderly: the first one is noted here, a second one ends at once.
enum Interrupt {
  private static let count = Atomic<Int>(0)

  static var wasAsked: Bool { count.load(ordering: .relaxed) > 0 }

  /// To be called after `ChildTable.install`, whose handlers it takes the place of.
  static func install() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { number in
        guard Interrupt.count.add(1, ordering: .relaxed).newValue > 1 else { return }
        ChildTable.endAll()
        _exit(128 + number)
      }
    }
  }
}
