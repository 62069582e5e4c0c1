// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// nghttp2's callbacks: each finds its session and stream and calls one method of them.
///
/// No session is freed and no frame is collected inside of one.
extension HTTP2Session {
  // SAFETY: made once, and only read by nghttp2 afterwards.
  nonisolated(unsafe) static let serverCallbacks = makeCallbacks { callbacks in
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, user in
      guard let frame, let here = HTTP2Session.from(user),
        frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue)
      else { return 0 }
      here.connection.headersBegan()
      guard frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
      here.connection.openRequest(frame.pointee.hd.stream_id)
      return 0
    }
  }

  // SAFETY: made once, and only read by nghttp2 afterwards.
  nonisolated(unsafe) static let clientCallbacks = makeCallbacks { callbacks in
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, _, user in
      guard let here = HTTP2Session.from(user) else { return 0 }
      here.connection.headersBegan()
      return 0
    }
  }

  static func stream(_ session: OpaquePointer?, _ id: Int32) -> MessageStream? {
    guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    // SAFETY: the connection keeps the object until on_stream_close, which takes the pointer out.
    return Unmanaged<MessageStream>.fromOpaque(data).takeUnretainedValue()
  }

  static func from(_ user: UnsafeMutableRawPointer?) -> HTTP2Session? {
    // SAFETY: the user data of a session is its owner, which deletes the session in its deinit.
    user.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
  }

  /// The source of a stream's DATA frames: how much there is, now; the bytes come in `sendData`.
  static func provider(_ stream: MessageStream) -> nghttp2_data_provider {
    var provider = nghttp2_data_provider()
    provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
    provider.read_callback = { session, id, _, limit, flags, _, user in
      guard let stream = HTTP2Session.stream(session, id), let flags else {
        return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
      }
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
    }
    return provider
  }

  private static func makeCallbacks(_ roleSpecific: (OpaquePointer) -> Void) -> OpaquePointer? {
    var made: OpaquePointer?
    guard nghttp2_session_callbacks_new(&made) == 0, let callbacks = made else { return nil }
    roleSpecific(callbacks)
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, _, name, nameCount, value, valueCount, _, user in
      guard let here = HTTP2Session.from(user) else { return 0 }
      return here.connection.receivedHeader(
        name: UnsafeRawBufferPointer(start: name, count: nameCount),
        value: UnsafeRawBufferPointer(start: value, count: valueCount))
        ? 0 : Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
      session, _, id, data, count, user in
      guard let here = HTTP2Session.from(user) else { return 0 }
      let bytes = UnsafeRawBufferPointer(start: data, count: count)
      if let stream = HTTP2Session.stream(session, id) {
        stream.receive(bytes)
      } else {
        here.consumeConnection(count)
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { session, frame, user in
      guard let frame, let here = HTTP2Session.from(user) else { return 0 }
      here.connection.received(frame, HTTP2Session.stream(session, frame.pointee.hd.stream_id))
      return 0
    }
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, _, _, user in
      HTTP2Session.from(user)?.connection.headersEnded()
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { session, frame, user in
      guard let frame else { return 0 }
      switch nghttp2_frame_type(rawValue: UInt32(frame.pointee.hd.type)) {
      case NGHTTP2_HEADERS:
        HTTP2Session.stream(session, frame.pointee.hd.stream_id)?.sentHeaders(
          endsStream: frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0)
      case NGHTTP2_GOAWAY: HTTP2Session.from(user)?.connection.owner?.goAwaySent()
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
      guard let here = HTTP2Session.from(user), let stream = HTTP2Session.stream(session, id) else {
        return 0
      }
      nghttp2_session_set_stream_user_data(session, id, nil)
      here.connection.headersEnded()
      here.connection.streamClosed(stream, code)
      return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) {
      session, frame, header, count, _, user in
      guard let frame, let header, let output = HTTP2Session.from(user)?.output,
        let stream = HTTP2Session.stream(session, frame.pointee.hd.stream_id)
      else { return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
      // The 9 bytes of the frame's header, then the payload straight from the message's pieces.
      let room = output.reserve(9 + count)
      room.copyMemory(from: header, byteCount: 9)
      stream.read(count, to: room + 9)
      output.commit(9 + count)
      return 0
    }
    return callbacks
  }
}
