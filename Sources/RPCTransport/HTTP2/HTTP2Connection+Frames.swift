// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What the peer's frames do: they open streams, carry header lists, and speak of the connection.
extension HTTP2Connection {
  func headersBegan() {
    headersBeganAt = loop.now
    headers.begin()
  }

  /// A header list is complete or was refused; no other frame may come inside of one.
  func headersEnded() { headersBeganAt = nil }

  func openRequest(_ id: Int32) {
    guard let stream = owner?.makeStream() else { return }
    stream.streamID = id
    add(stream)
    session?.attach(stream, id)
  }

  func received(_ frame: UnsafePointer<nghttp2_frame>, _ stream: MessageStream?) {
    let header = frame.pointee.hd
    let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch nghttp2_frame_type(rawValue: UInt32(header.type)) {
    case NGHTTP2_DATA:
      if endsStream { stream?.receiveEndOfStream() } else if header.length == 0 { countPointless() }
    case NGHTTP2_HEADERS:
      headersEnded()
      guard let stream else { return }
      if headers.isTooLong {
        stream.headersExceededLimit()
      } else {
        stream.received(headers, isLast: endsStream)
      }
      if endsStream { stream.receiveEndOfStream() }
    case NGHTTP2_SETTINGS:
      countPointless()
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { peerIsReady() }
    case NGHTTP2_PING: receivedPing(frame.pointee.ping)
    case NGHTTP2_PRIORITY: countPointless()
    case NGHTTP2_RST_STREAM: countReset()
    case NGHTTP2_GOAWAY:
      let goAway = frame.pointee.goaway
      let debug = UnsafeRawBufferPointer(
        start: goAway.opaque_data, count: min(goAway.opaque_data_len, 1024))
      owner?.goAwayReceived(
        lastStreamID: goAway.last_stream_id, code: goAway.error_code,
        debug: String(decoding: debug, as: UTF8.self))
    default: break
    }
  }

  /// A GOAWAY of this end is on its way: the connection's own, or nghttp2's for a broken rule.
  func sentGoAway(_ goAway: nghttp2_goaway) {
    if goAway.error_code != NGHTTP2_NO_ERROR.rawValue, violation == nil {
      let debug = UnsafeRawBufferPointer(start: goAway.opaque_data, count: goAway.opaque_data_len)
      let name = String(cString: nghttp2_http2_strerror(goAway.error_code))
      let isFlood = goAway.error_code == NGHTTP2_ENHANCE_YOUR_CALM.rawValue
      violation = TransportError(
        isFlood ? .limitExceeded : .protocolViolation,
        "HTTP/2: \(name) \(String(decoding: debug, as: UTF8.self))")
    }
    owner?.goAwaySent()
  }

  private func peerIsReady() {
    guard !isPeerReady else { return }
    isPeerReady = true
    handshakeTimer?.cancel()
    handshakeTimer = nil
    owner?.ready()
  }

  private func receivedPing(_ ping: nghttp2_ping) {
    guard ping.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 else {
      countPing()
      return countPointless()
    }
    var payload: UInt64 = 0
    withUnsafeMutableBytes(of: &payload) { payload in
      withUnsafeBytes(of: ping.opaque_data) { payload.copyMemory(from: $0) }
    }
    owner?.pingAnswered(payload)
  }

  private func countPing() {
    guard role == .server, closeReason == nil,
      !pingPolice.admit(now: loop.now, minInterval: configuration.minPingInterval)
    else { return }
    // gRPC's clients know this text, and ping less often on their next connection.
    terminate(
      NGHTTP2_ENHANCE_YOUR_CALM,
      TransportError(.limitExceeded, "too many pings (too_many_pings)"), debug: "too_many_pings")
  }

  private func countReset() {
    guard role == .server, !resetGuard.admit(now: loop.now), closeReason == nil else { return }
    terminate(
      NGHTTP2_ENHANCE_YOUR_CALM, TransportError(.limitExceeded, "too many calls are cancelled"))
  }

  private func countPointless() {
    guard !floodGuard.admit(now: loop.now), closeReason == nil else { return }
    terminate(
      NGHTTP2_ENHANCE_YOUR_CALM,
      TransportError(.limitExceeded, "too many frames that carry nothing"))
  }
}
