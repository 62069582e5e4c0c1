// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What has to happen in time, looked at a few times in the shortest of the times.
extension HTTP2Connection {
  func scheduleHousekeeping() {
    let bounds = [
      configuration.headerTimeout, configuration.stallTimeout,
      configuration.keepaliveInterval ?? .seconds(3600),
    ]
    let shortest = bounds.min() ?? .seconds(5)
    housekeeping = loop.schedule(after: max(shortest / 4, .milliseconds(10))) { [self] in
      keepHouse()
    }
  }

  private func keepHouse() {
    guard phase == .open else { return }
    let now = loop.now
    if let began = headersBeganAt, began + configuration.headerTimeout < now {
      return terminate(
        NGHTTP2_ENHANCE_YOUR_CALM, TransportError(.timeout, "a header list took too long"))
    }
    // A server's answer; a client's upload may wait for a server that paused, up to its deadline.
    for stream in streams
    where role == .server && stream.pendingByteCount > 0
      && stream.lastSent + configuration.stallTimeout < now
    {
      stream.fail(Status(.unavailable, "the peer does not read what it asked for"))
      stream.reset(NGHTTP2_CANCEL.rawValue)
    }
    if let interval = configuration.keepaliveInterval, lastReceived + interval < now {
      guard lastReceived + interval * 2 >= now else {
        return close(TransportError(.timeout, "the peer does not answer pings"))
      }
      session?.submitPing(HTTP2Connection.keepalivePing)
      setNeedsFlush()
    }
    scheduleHousekeeping()
  }

  /// The payloads of the pings of this end.
  static let keepalivePing: UInt64 = 1
  static let drainPing: UInt64 = 2
}
