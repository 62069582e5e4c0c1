// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// nghttp2's callbacks: each finds its session and stream and calls one method of them.
///
/// No session is freed and no frame is collected inside of one.
extension HTTP2Session {
  // SAFETY: made once, and only read by nghttp2 afterwards.
  nonisolated(unsafe) static let serverCallbacks = makeCallbacks { callbacks in
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, user in
      guard let frame, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
      HTTP2Session.with(user) { here in
        here.connection.headersBegan()
        guard frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return }
        here.connection.openRequest(frame.pointee.hd.stream_id)
      }
      return 0
    }
  }

  // SAFETY: made once, and only read by nghttp2 afterwards.
  nonisolated(unsafe) static let clientCallbacks = makeCallbacks { callbacks in
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, _, user in
      HTTP2Session.with(user) { $0.connection.headersBegan() }
      return 0
    }
  }

  static func stream(_ session: OpaquePointer?, _ id: Int32) -> MessageStream? {
    guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    // SAFETY: the connection keeps the object until on_stream_close, which takes the pointer out.
    return Unmanaged<MessageStream>.fromOpaque(data).takeUnretainedValue()
  }

  /// Calls `body` with the object of an open stream, without counting a reference: there are ten
  /// callbacks to a small call.
  @inline(__always)
  private static func withStream<Result>(
    _ session: OpaquePointer?, _ id: Int32, _ body: (MessageStream) -> Result
  ) -> Result? {
    guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    // SAFETY: the connection keeps the object until on_stream_close, which never runs inside of
    // another callback.
    return Unmanaged<MessageStream>.fromOpaque(data)._withUnsafeGuaranteedRef { body($0) }
  }

  /// Calls `body` with the session of a callback, without counting a reference.
  @inline(__always)
  private static func with<Result>(
    _ user: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Result
  ) -> Result? {
    guard let user else { return nil }
    // SAFETY: the user data of a session is its owner, which deletes the session in its deinit and
    // does not go while frames are received or collected.
    return Unmanaged<HTTP2Session>.fromOpaque(user)._withUnsafeGuaranteedRef { body($0) }
  }

  /// The source of a stream's DATA frames: how much there is, now; the bytes come in `sendData`.
  static func provider(_ stream: MessageStream) -> nghttp2_data_provider {
    var provider = nghttp2_data_provider()
    provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
    provider.read_callback = { session, id, _, limit, flags, _, user in
      guard let flags else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
      return HTTP2Session.withStream(session, id) { stream in
        let waiting = stream.outbound.byteCount
        guard waiting > 0 || stream.isSendingFinished else {
          stream.isDeferred = true
          return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_NO_COPY.rawValue)
        if waiting <= limit && stream.isSendingFinished {
          flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue)
          if stream.sendingReachedEnd() == .trailers {
            flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue)
          }
        }
        return min(waiting, limit)
      } ?? Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    return provider
  }

  private static func makeCallbacks(_ roleSpecific: (OpaquePointer) -> Void) -> OpaquePointer? {
    var made: OpaquePointer?
    guard nghttp2_session_callbacks_new(&made) == 0, let callbacks = made else { return nil }
    roleSpecific(callbacks)
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, _, name, nameCount, value, valueCount, _, user in
      HTTP2Session.with(user) { here in
        here.receivedHeader(
          name: UnsafeRawBufferPointer(start: name, count: nameCount),
          value: UnsafeRawBufferPointer(start: value, count: valueCount))
          ? 0 : Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
      } ?? 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
      session, _, id, data, count, user in
      let bytes = UnsafeRawBufferPointer(start: data, count: count)
      if HTTP2Session.withStream(session, id, { $0.receive(bytes) }) == nil {
        HTTP2Session.with(user) { $0.consumeConnection(count) }
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { session, frame, user in
      guard let frame else { return 0 }
      HTTP2Session.with(user) { here in
        here.connection.received(frame, HTTP2Session.stream(session, frame.pointee.hd.stream_id))
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, _, _, user in
      HTTP2Session.with(user) { $0.connection.headersEnded() }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { session, frame, user in
      guard let frame else { return 0 }
      switch nghttp2_frame_type(rawValue: UInt32(frame.pointee.hd.type)) {
      case NGHTTP2_HEADERS:
        HTTP2Session.with(user) { $0.connection.pingPolice.hasSent = true }
        HTTP2Session.withStream(session, frame.pointee.hd.stream_id) {
          $0.sentHeaders(
            endsStream: frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0)
        }
      case NGHTTP2_GOAWAY:
        let goAway = frame.pointee.goaway
        HTTP2Session.with(user) { $0.connection.sentGoAway(goAway) }
      default: break
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) {
      session, frame, _, _ in
      guard let frame, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
      HTTP2Session.stream(session, frame.pointee.hd.stream_id)?.couldNotSendHeaders()
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { session, id, code, user in
      guard var stream = HTTP2Session.stream(session, id) else { return 0 }
      nghttp2_session_set_stream_user_data(session, id, nil)
      HTTP2Session.with(user) { here in
        here.connection.headersEnded()
        here.connection.streamClosed(&stream, code)
      }
      return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) {
      session, frame, header, count, _, user in
      let failure = Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
      guard let frame, let header else { return failure }
      return HTTP2Session.with(user) { here in
        HTTP2Session.withStream(session, frame.pointee.hd.stream_id) { stream in
          guard let output = here.output else { return failure }
          // The 9 bytes of the frame's header, then the payload straight from the message's pieces.
          let room = output.reserve(9 + count)
          room.copyMemory(from: header, byteCount: 9)
          stream.read(count, to: room + 9)
          output.commit(9 + count)
          here.connection.pingPolice.hasSent = true
          return 0
        } ?? failure
      } ?? failure
    }
    return callbacks
  }
}
