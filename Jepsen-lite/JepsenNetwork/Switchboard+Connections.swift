internal import Glibc

// How connections begin and end.
extension Switchboard {
  func acceptAll(_ slot: Int, now: UInt64) {
    guard listeners.indices.contains(slot) else { return }
    let listener = listeners[slot]
    // Bounded, so that a flood leaves time for others: what is left shows up in the next turn.
    for _ in 0..<NetworkLimits.readyPerTurn {
      let (descriptor, error) = Descriptor.accept(listener.descriptor)
      if error == EMFILE || error == ENFILE {
        guard refuseForLackOfDescriptors(listener) else { return }
        continue
      }
      guard descriptor >= 0 else { return }
      accepted(descriptor, listener, now: now)
    }
  }

  /// Takes a connection with the spare descriptor, to reset it: else it would be reported again
  /// and again.
  private func refuseForLackOfDescriptors(_ listener: Listener) -> Bool {
    guard spare >= 0 else { return false }
    Descriptor.close(spare)
    let (descriptor, _) = Descriptor.accept(listener.descriptor)
    if descriptor >= 0 { refuse(descriptor, listener) }
    spare = Descriptor.spare()
    return descriptor >= 0
  }

  private func refuse(_ descriptor: Int32, _ listener: Listener) {
    Descriptor.reset(descriptor)
    link(LinkName(from: listener.from ?? .clients, to: listener.to)).counters
      .refusedConnections += 1
  }

  private func accepted(_ descriptor: Int32, _ listener: Listener, now: UInt64) {
    guard openConnections < NetworkLimits.connections else { return refuse(descriptor, listener) }
    let slot = freeSlots.popLast() ?? connections.count
    if slot == connections.count {
      connections.append(nil)
      uses.append(0)
    }
    uses[slot] &+= 1
    let id = ConnectionID(slot: slot, use: uses[slot])
    let connection = ProxyConnection(id: id, opener: descriptor, target: listener.target)
    connections[slot] = connection
    openConnections += 1
    if let from = listener.from {
      identified(connection, from: from, to: listener.to, now: now)
    } else if let search = listener.search, let addresses = Descriptor.addresses(of: descriptor) {
      unidentified.append(
        UnidentifiedConnection(
          id: id, to: listener.to, addresses: addresses, search: search))
      watch(connection)
      search.bell.ring()
    } else {
      identified(connection, from: .clients, to: listener.to, now: now)
    }
  }

  /// The source of a connection is known, and so are its links.
  func identified(_ connection: ProxyConnection, from: Endpoint, to: Endpoint, now: UInt64) {
    let there = link(LinkName(from: from, to: to))
    let back = link(LinkName(from: to, to: from))
    connection.forward = Pipe(link: there, from: connection.opener, to: connection.onward)
    connection.backward = Pipe(link: back, from: connection.onward, to: connection.opener)
    connection.phase = .held
    for link in [there, back] where link.rule.isCut && !link.rule.resets {
      link.counters.heldConnections += 1
    }
    ruleChanged(connection, now: now)
  }

  /// Begins the connection onward.
  private func goOn(_ connection: ProxyConnection) {
    let descriptor = Descriptor.connect(to: connection.target)
    guard descriptor >= 0 else { return drop(connection, resets: true) }
    connection.onward.open(descriptor)
    connection.phase = .connecting
    watch(connection)
  }

  /// Does what a changed rule asks for.
  func ruleChanged(_ connection: ProxyConnection, now: UInt64) {
    guard let forward = connection.forward, let backward = connection.backward else { return }
    let resetting = [forward.link, backward.link].filter { $0.rule.resetsNow }
    if !resetting.isEmpty {
      let wasOpen = connection.phase == .open
      for link in resetting {
        if wasOpen {
          link.counters.resetConnections += 1
        } else {
          link.counters.refusedConnections += 1
        }
      }
      return drop(connection, resets: true)
    }
    switch connection.phase {
    case .identifying, .connecting: break
    case .held:
      if connection.isCut { watch(connection) } else { goOn(connection) }
    case .open:
      pump(connection, forward, now: now)
      guard connection.phase == .open, connections[connection.id.slot] === connection else {
        return
      }
      pump(connection, backward, now: now)
    }
  }

  /// One end is gone, without a word. The other learns of it by the same link as of bytes: not
  /// while that is cut.
  func lost(_ connection: ProxyConnection, _ end: Socket) {
    close(end, resets: false)
    connection.pipe(from: end)?.lose()
    connection.pipe(to: end)?.lose()
    let other = connection.other(than: end)
    let news = connection.pipe(from: end)
    guard connection.phase == .open, other.isOpen, news?.link.rule.isCut == true else {
      return drop(connection, resets: true)
    }
    watch(connection)
  }

  /// Ends a connection.
  func drop(_ connection: ProxyConnection, resets: Bool) {
    guard connections[connection.id.slot] === connection else { return }
    connection.forward?.lose()
    connection.backward?.lose()
    close(connection.opener, resets: resets)
    close(connection.onward, resets: resets)
    connections[connection.id.slot] = nil
    freeSlots.append(connection.id.slot)
    openConnections -= 1
  }

  private func close(_ end: Socket, resets: Bool) {
    guard end.isOpen else { return }
    // Closing takes it from the poller as well.
    end.watched = 0
    let descriptor = end.release()
    if resets { Descriptor.reset(descriptor) } else { Descriptor.close(descriptor) }
  }
}
