internal import KVBase

/// What a loop is asked to run.
enum LoopItem: Sendable {
  case job(UnownedJob)
  case post(@Sendable () -> Void)
}

/// What other threads leave for a loop, in order.
struct LoopInbox: Sendable {
  var items: [LoopItem] = []
  /// Closures among the items: bounded by `Limits.loopPosts`. Jobs are not, since an executor can't
  /// refuse one; there are as many as there are tasks.
  var posts = 0
  /// The loop was woken and has not looked yet.
  var wakeSent = false
  var stopRequested = false
  /// The loop looks no more.
  var closed = false
}

extension EventLoop {
  /// Runs an actor's job on the loop's thread: in this turn where this is that thread.
  package func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    if isCurrent {
      items.append(.job(unowned))
      return
    }
    inbox.withLock { box in
      // A task that is left over when its loop has ended never goes on.
      guard !box.closed else { return }
      box.items.append(.job(unowned))
      wakeUp(&box)
    }
  }

  /// From any thread: has `body` run on the loop's thread, in the order of posting, in this turn
  /// where this is that thread. False, and nothing is done, where the loop has ended or other
  /// threads have left `Limits.loopPosts` closures that it has not yet run.
  package func post(_ body: @escaping @Sendable () -> Void) -> Bool {
    if isCurrent {
      items.append(.post(body))
      return true
    }
    return inbox.withLock { box in
      guard !box.closed, box.posts < Limits.loopPosts else { return false }
      box.posts += 1
      box.items.append(.post(body))
      wakeUp(&box)
      return true
    }
  }

  package func isIsolatingCurrentContext() -> Bool? { isCurrent }

  package func checkIsolated() { checkCurrent() }
}
