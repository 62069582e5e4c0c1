// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// One HTTP/2 session of nghttp2, for either end; the only file but its callbacks that calls it.
///
/// Streams carry their ``MessageStream`` as user data, which the connection keeps alive as long as
/// the session knows the stream. Submissions are legal at any time, also from inside a callback;
/// ``receive(_:)`` and ``collect(into:)`` are not, and the connection sees to that. Loop only.
final class HTTP2Session {
  private let session: OpaquePointer
  /// What the session's memory is part of.
  private let memory: FrameMemory
  // SAFETY: the connection owns the session and outlives it.
  unowned(unsafe) let connection: HTTP2Connection
  /// The connection's header list, which comes field by field.
  private let headers: Unmanaged<ReceivedHeaders>
  /// Beyond this many bytes of a header list, kept or not, the peer has to go.
  private let headerBombByteCount: Int
  /// Where payloads go while frames are collected.
  private(set) var output: ByteQueue?

  /// Plaintext that is collected before it is encrypted: four records.
  private static let collectByteCount = 64 << 10

  init(
    role: TLSContext.Role, connection: HTTP2Connection, configuration: ConnectionConfiguration
  ) throws(TransportError) {
    self.connection = connection
    memory = connection.loop.frameMemory
    headers = .passUnretained(connection.headers)
    headerBombByteCount =
      configuration.maxHeaderListByteCount * HTTP2Connection.headerBombFactor
    var options: OpaquePointer?
    guard nghttp2_option_new(&options) == 0, let options else {
      throw TransportError(.system, "no memory for an HTTP/2 session")
    }
    defer { nghttp2_option_del(options) }
    HTTP2Session.configure(options)
    var session: OpaquePointer?
    var functions = memory.functions
    let result =
      switch role {
      case .server:
        nghttp2_session_server_new3(
          &session, HTTP2Session.serverCallbacks, nil, options, &functions)
      case .client:
        nghttp2_session_client_new3(
          &session, HTTP2Session.clientCallbacks, nil, options, &functions)
      }
    guard result == 0, let session else {
      throw TransportError(.system, "no memory for an HTTP/2 session")
    }
    self.session = session
    nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
    submitSettings(role, configuration)
  }

  deinit { nghttp2_session_del(session) }

  private static func configure(_ options: OpaquePointer) {
    // Windows are given back when a reader has read (MessageStream), not when bytes arrive.
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_no_closed_streams(options, 1)
    // Rapid reset, CVE-2023-44487: FloodGuard counts first, and says ENHANCE_YOUR_CALM.
    nghttp2_option_set_stream_reset_rate_limit(options, 2_000, 200)
    // CONTINUATION flood, CVE-2024-28182.
    nghttp2_option_set_max_continuations(options, 8)
    // PING and SETTINGS floods whose answers the peer does not read, CVE-2019-9512 and -9515.
    nghttp2_option_set_max_outbound_ack(options, 1_000)
    nghttp2_option_set_max_settings(options, 32)
  }

  private func submitSettings(_ role: TLSContext.Role, _ configuration: ConnectionConfiguration) {
    func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
      nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(clamping: value))
    }
    var settings = [
      entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, configuration.streamWindowByteCount),
      entry(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, configuration.maxFrameByteCount),
      entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, configuration.maxHeaderListByteCount),
    ]
    switch role {
    case .server:
      settings.append(
        entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, configuration.maxConcurrentStreams))
    case .client:
      settings.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    }
    let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    nghttp2_submit_settings(session, none, settings, settings.count)
    nghttp2_session_set_local_window_size(
      session, none, 0, Int32(clamping: configuration.connectionWindowByteCount))
  }

  /// Takes a header field.
  ///
  /// - Returns: false where the peer has to go at once.
  func receivedHeader(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
    // SAFETY: the connection keeps its header list as long as itself.
    headers._withUnsafeGuaranteedRef { headers in
      headers.append(name: name, value: value)
      return headers.listByteCount <= headerBombByteCount
    }
  }

  // MARK: Bytes

  /// Takes bytes from the peer; callbacks run.
  func receive(_ bytes: UnsafeRawBufferPointer) throws(TransportError) {
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let used = nghttp2_session_mem_recv(session, start, bytes.count)
    guard used >= 0 else {
      // nghttp2 gives up without a word to the peer.
      let code = HTTP2Session.errorCode(Int32(used))
      let why = String(cString: nghttp2_strerror(Int32(used)))
      let error = TransportError(
        code == NGHTTP2_ENHANCE_YOUR_CALM ? .limitExceeded : .protocolViolation, "HTTP/2: \(why)")
      submitGoAway(code.rawValue, error.message)
      throw error
    }
  }

  /// What the peer is told when nghttp2 refuses to read on.
  private static func errorCode(_ error: Int32) -> nghttp2_error_code {
    switch nghttp2_error(rawValue: error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC: NGHTTP2_PROTOCOL_ERROR
    case NGHTTP2_ERR_NOMEM: NGHTTP2_INTERNAL_ERROR
    // Floods, and the callback that counts the bytes of a header list.
    default: NGHTTP2_ENHANCE_YOUR_CALM
    }
  }

  /// Adds frames that are due to `queue`, up to a batch; callbacks run.
  func collect(into queue: ByteQueue) throws(TransportError) {
    output = queue
    defer { output = nil }
    while queue.count < HTTP2Session.collectByteCount {
      var bytes: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &bytes)
      guard count >= 0 else {
        let why = String(cString: nghttp2_strerror(Int32(count)))
        throw TransportError(.protocolViolation, "HTTP/2: \(why)")
      }
      guard count > 0 else { return }
      queue.append(UnsafeRawBufferPointer(start: bytes, count: count))
    }
  }

  /// Whether the session still has a use: it waits for frames or has frames to send.
  var isAlive: Bool {
    nghttp2_session_want_read(session) != 0 || nghttp2_session_want_write(session) != 0
  }

  // MARK: Streams

  /// The stream object of a stream, if it is open.
  func stream(_ id: Int32) -> MessageStream? {
    HTTP2Session.stream(session, id)
  }

  func attach(_ stream: MessageStream, _ id: Int32) {
    nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(stream).toOpaque())
  }

  /// Opens a stream with a request.
  ///
  /// Returns its id, or a negative nghttp2 error.
  func submitRequest(_ stream: MessageStream, _ block: inout HeaderBlock) -> Int32 {
    var provider = HTTP2Session.provider(stream)
    let user = Unmanaged.passUnretained(stream).toOpaque()
    return block.withFields { nghttp2_submit_request(session, nil, $0, $1, &provider, user) }
  }

  /// Begins a response whose messages come from the stream.
  func submitResponse(_ stream: MessageStream, _ block: inout HeaderBlock) {
    var provider = HTTP2Session.provider(stream)
    _ = block.withFields { nghttp2_submit_response(session, stream.streamID, $0, $1, &provider) }
  }

  /// Begins a response without custom metadata.
  func submitPlainResponse(_ stream: MessageStream) {
    var provider = HTTP2Session.provider(stream)
    let fields = StaticHeaders.response
    nghttp2_submit_response(session, stream.streamID, fields.baseAddress, fields.count, &provider)
  }

  /// A response that is a header list and nothing else.
  func submitHeadersOnly(_ stream: MessageStream, _ block: inout HeaderBlock) {
    _ = block.withFields { nghttp2_submit_response(session, stream.streamID, $0, $1, nil) }
  }

  func submitTrailers(_ stream: MessageStream, _ block: inout HeaderBlock) {
    _ = block.withFields { nghttp2_submit_trailer(session, stream.streamID, $0, $1) }
  }

  func submitSuccessTrailers(_ stream: MessageStream) {
    let fields = StaticHeaders.successTrailers
    nghttp2_submit_trailer(session, stream.streamID, fields.baseAddress, fields.count)
  }

  func resumeData(_ stream: MessageStream) {
    nghttp2_session_resume_data(session, stream.streamID)
  }

  func reset(_ stream: MessageStream, _ code: UInt32) {
    nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.streamID, code)
  }

  // MARK: Flow control

  func consume(_ count: Int, stream: Int32) { nghttp2_session_consume(session, stream, count) }
  func consumeStream(_ count: Int, stream: Int32) {
    nghttp2_session_consume_stream(session, stream, count)
  }
  func consumeConnection(_ count: Int) { nghttp2_session_consume_connection(session, count) }

  // MARK: The connection's own frames

  /// The first step of a graceful end: no new streams, please (RFC 9113 §6.8).
  func submitShutdownNotice() { nghttp2_submit_shutdown_notice(session) }

  /// The second: streams after the last that was seen are not processed.
  func submitGoAway(_ code: UInt32, _ debug: String = "") {
    let last = nghttp2_session_get_last_proc_stream_id(session)
    let bytes = Array(debug.utf8)
    nghttp2_submit_goaway(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code, bytes, bytes.count)
  }

  func submitPing(_ payload: UInt64) {
    withUnsafeBytes(of: payload) {
      _ = nghttp2_submit_ping(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue),
        $0.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
  }
}
