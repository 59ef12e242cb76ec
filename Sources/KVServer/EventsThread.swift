internal import KVBase
internal import KVFiles
internal import KVLoop

/// Writes the events of a node to their file, so that the loop does not wait for it. Where more
/// wait than may, which takes a disk that stands still, an event is left out.
final class EventsThread: Sendable {
  private struct Event: Sendable {
    var event: NodeEvent
    var wallMilliseconds: UInt64
  }

  private let queue = BlockingQueue<Event>()
  private let thread: NamedThread

  init(_ file: EventsFile) {
    let queue = queue
    // From here on used by that thread alone.
    let file = Unchecked(file)
    thread = NamedThread(name: "kv-events") {
      while let events = queue.takeAll() {
        for event in events {
          file.value.append(event.event, wallMilliseconds: event.wallMilliseconds)
        }
      }
    }
  }

  func append(_ event: NodeEvent, wallMilliseconds: UInt64) {
    queue.append(
      Event(event: event, wallMilliseconds: wallMilliseconds), limit: Limits.waitingEvents)
  }

  /// Writes what waits, and ends the thread.
  func stop() {
    queue.close()
    thread.join()
  }
}
