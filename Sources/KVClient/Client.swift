internal import KVBase
package import KVClientCore
package import KVLoop

/// A client of a cluster: one connection a node, many calls at once, safe from any task.
///
///     let client = try Client(endpoints: ["127.0.0.1:7401", "127.0.0.1:7402"])
///     try await client.put("greeting", "hello")
///     let value = try await client.get("greeting")
///
/// It finds the nodes and the leaders of the partitions by itself, and retries what is safe. Every
/// mutation takes effect at most once, however often it was sent. A call that fails throws a
/// `KVError`, whose `outcome` says whether it may have taken effect.
public final class Client: Sendable {
  let loop: EventLoop
  let front: ClientFront

  /// A client that starts from `endpoints`: `host:port`, or `id=host:port` where that address is to
  /// be used for the node instead of the one in the cluster map. Connects when first used. Throws
  /// `invalidArgument` where one is neither, or there are none.
  public convenience init(endpoints: [String]) throws(KVError) {
    try self.init(endpoints: endpoints, loop: nil, seed: nil)
  }

  /// A client on a loop of the caller's, or on the one that all clients of the process share.
  package init(endpoints: [String], loop: EventLoop?, seed: UInt64?) throws(KVError) {
    let settings = try Self.settings(endpoints)
    if let loop { self.loop = loop } else { self.loop = try SharedLoop.get() }
    var generator = SystemRandomNumberGenerator()
    front = ClientFront(loop: self.loop, settings: settings, seed: seed ?? generator.next())
  }

  deinit {
    let front = self.front
    _ = loop.post { front.close() }
  }

  /// What a core is started with.
  package static func settings(_ endpoints: [String]) throws(KVError) -> ClientSettings {
    var parsed: [Endpoint] = []
    for text in endpoints {
      guard let endpoint = Endpoint(text) else {
        throw KVError(
          .rejected, .invalidArgument,
          "the endpoint '\(text)' is neither host:port nor id=host:port")
      }
      parsed.append(endpoint)
    }
    guard !parsed.isEmpty, parsed.count <= Limits.clientEndpoints else {
      throw KVError(
        .rejected, .invalidArgument,
        "\(parsed.count) endpoints: give 1 to \(Limits.clientEndpoints) of them")
    }
    var settings = ClientSettings(endpoints: parsed)
    settings.software = "kvclient"
    return settings
  }

  /// Ends all calls as cancelled, tells the partitions that this client has left, and closes the
  /// connections. Calls made later fail. A partition that can't be told within half a second keeps
  /// the client's session until others need its place.
  public func close() async {
    let front = self.front
    await withCheckedContinuation { continuation in
      let posted = loop.post {
        front.close { continuation.resume() }
      }
      if !posted { continuation.resume() }
    }
  }

  /// One call of the core: what the methods with friendlier types are made of.
  package func perform(_ operation: ClientOperation, _ options: CallOptions) async -> Outcome {
    let id = front.nextID()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let front = self.front
        let posted = loop.post { front.begin(id, operation, options, continuation) }
        if !posted {
          continuation.resume(returning: ClientFront.overloaded)
        } else if Task.isCancelled {
          // The handler below may have been called before the call had begun.
          _ = loop.post { front.cancel(id) }
        }
      }
    } onCancel: {
      let front = self.front
      _ = loop.post { front.cancel(id) }
    }
  }
}

/// The loop that the clients of a process share; it runs as long as the process.
enum SharedLoop {
  private static let shared = Locked<EventLoop?>(nil)

  static func get() throws(KVError) -> EventLoop {
    let result = shared.withLock { existing -> Result<EventLoop, LoopError> in
      if let existing { return .success(existing) }
      do throws(LoopError) {
        let loop = try EventLoop()
        _ = loop.start(name: "kvclient")
        existing = loop
        return .success(loop)
      } catch {
        return .failure(error)
      }
    }
    switch result {
    case .success(let loop): return loop
    case .failure(let error):
      throw KVError(
        .rejected, .resourceExhausted,
        "the client's event loop can't be started: \(error.description)")
    }
  }
}
