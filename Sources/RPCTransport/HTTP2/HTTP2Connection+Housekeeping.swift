// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What has to happen in time.
///
/// While there is something to watch it is looked at a few times in the shortest of the times. A
/// connection without calls dozes until its next deadline or its next byte, so that ten thousand of
/// them cost no wake-ups.
extension HTTP2Connection {
  func scheduleHousekeeping() {
    isDozing = false
    housekeeping?.cancel()
    let next = nextDeadline().map { loop.now.duration(to: $0) } ?? watchInterval
    schedule(after: min(max(next, .zero), watchInterval))
  }

  private func schedule(after delay: Duration) {
    housekeeping = loop.schedule(after: max(delay, .milliseconds(10))) { [self] in keepHouse() }
  }

  /// A quarter of the shortest time that concerns calls.
  private var watchInterval: Duration {
    min(configuration.headerTimeout, configuration.stallTimeout) / 4
  }

  private func keepHouse() {
    guard phase == .open else { return }
    let now = loop.now
    if let began = headersBeganAt, began + configuration.headerTimeout < now {
      return terminate(
        NGHTTP2_ENHANCE_YOUR_CALM, TransportError(.timeout, "a header list took too long"))
    }
    // A client's upload may wait for a server that paused, up to its deadline.
    if role == .server { dropStalledCalls(now) }
    guard keepAlive(now) else { return }
    owner?.keepHouse(now)
    guard phase == .open, closeReason == nil else { return }
    let isQuiet =
      streams.isEmpty && headersBeganAt == nil && lastReceived + watchInterval <= now
    guard isQuiet else { return scheduleHousekeeping() }
    isDozing = true
    housekeeping = nil
    if let deadline = nextDeadline() { schedule(after: now.duration(to: deadline)) }
  }

  private func dropStalledCalls(_ now: ContinuousClock.Instant) {
    for stream in streams {
      if stream.pendingByteCount > 0, stream.lastSent + configuration.stallTimeout < now {
        let why = "the client does not read what it asked for"
        stream.fail(Status(.unavailable, why))
        // It would not read the status either.
        stream.reset(NGHTTP2_CANCEL.rawValue)
        owner?.callDropped(why)
      } else if sendsTooSlowly(stream, now) {
        let why =
          "a message comes at less than \(HTTP2Connection.minMessageBytesPerSecond) bytes a second"
        stream.fail(Status(.unavailable, why))
        owner?.callDropped(why)
      }
    }
  }

  private func sendsTooSlowly(_ stream: MessageStream, _ now: ContinuousClock.Instant) -> Bool {
    guard let since = stream.inbound.assemblySince, !stream.inbound.isFinished else { return false }
    // While this end does not read, the time does not count.
    if stream.inbound.isBlocked || ledger.heldByteCount > configuration.maxHeldByteCount {
      stream.inbound.assemblySince = now
      return false
    }
    let elapsed = since.duration(to: now)
    let least = Int(elapsed.components.seconds) * HTTP2Connection.minMessageBytesPerSecond
    return elapsed > configuration.stallTimeout
      && stream.inbound.deframer.receivedByteCount < least
  }

  /// A link that is slower than a modem's is one that pretends to be.
  private static let minMessageBytesPerSecond = 1024

  /// Pings a peer that is silent; false where one did not answer and the connection closes.
  private func keepAlive(_ now: ContinuousClock.Instant) -> Bool {
    guard let interval = configuration.keepaliveInterval else { return true }
    if let sent = pingSentAt {
      if lastReceived > sent {
        pingSentAt = nil
      } else if sent + configuration.keepaliveTimeout <= now {
        close(TransportError(.timeout, "the peer does not answer pings"))
        return false
      }
    } else if lastReceived + interval <= now {
      pingSentAt = now
      session?.submitPing(HTTP2Connection.keepalivePing)
      setNeedsFlush()
    }
    return true
  }

  /// When something is due though nothing happens; nil for never.
  private func nextDeadline() -> ContinuousClock.Instant? {
    let ping = configuration.keepaliveInterval.map { interval in
      pingSentAt.map { $0 + configuration.keepaliveTimeout } ?? lastReceived + interval
    }
    guard let deadline = owner?.nextDeadline else { return ping }
    return ping.map { min($0, deadline) } ?? deadline
  }

  /// The payloads of the pings of this end.
  static let keepalivePing: UInt64 = 1
  static let drainPing: UInt64 = 2
}
