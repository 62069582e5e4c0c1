// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What the transport tells the client about a call, on the loop of its connection.
public protocol ClientStreamHandler: AnyObject {
  /// The server's initial metadata; not told where the server answers with a status only.
  func receive(headers: Metadata)
  /// A complete message.
  func receive(_ message: ReceivedMessage)
  /// There is room again after ``ClientStream/send(_:)`` has said to pause.
  func writable()
  /// The call has ended: told exactly once, as the last.
  func finished(_ outcome: CallOutcome)
}

/// The client's end of one call.
///
/// Loop only.
public final class ClientStream: MessageStream {
  private var handler: (any ClientStreamHandler)?
  private var hasInitialHeaders = false
  private var wereHeadersSent = false
  private var encoding = MessageEncoding.identity
  private var deadline: LoopTimer?
  /// What the trailers say, until the messages before them were read.
  private var ending: CallOutcome?

  init(connection: HTTP2Connection, handler: any ClientStreamHandler) {
    self.handler = handler
    super.init(connection: connection)
  }

  /// Sends the request's header list.
  func start(_ head: CallHead, authority: String, userAgent: String) {
    guard let connection else { return }
    if let size = head.maxMessageSize { maxMessageSize = size }
    var block = HeaderBlock()
    block.add(":method", "POST")
    block.add(":scheme", "https")
    block.add(":path", head.path)
    block.add(":authority", authority)
    block.add("te", "trailers")
    block.add("content-type", "application/grpc")
    block.add("user-agent", userAgent)
    block.add("grpc-accept-encoding", "\(MessageEncodings.acceptedHeader)")
    encoding = head.encoding
    if encoding != .identity { block.add("grpc-encoding", "\(encoding.name)") }
    if let timeout = head.timeout { block.add("grpc-timeout", Timeout.format(timeout)) }
    block.add(head.metadata)
    let id = connection.session?.submitRequest(self, &block) ?? -1
    guard id > 0 else {
      let status = Status(.unavailable, "the connection takes no more calls")
      return finish(CallOutcome(status: status, processing: .notProcessed))
    }
    streamID = id
    connection.add(self)
    connection.setNeedsFlush()
    if let timeout = head.timeout {
      deadline = connection.loop.schedule(after: timeout) { [self] in
        cancel(Status(.deadlineExceeded, "the call took longer than its \(timeout)"))
      }
    }
  }

  /// Queues a message.
  ///
  /// - Returns: false where so much waits that the caller should pause until `writable`; the
  ///   message is queued all the same.
  @discardableResult
  public func send(_ message: OutgoingMessage) -> Bool {
    guard message.prefersCompression, let connection else { return enqueue(message) }
    return enqueue(message.compressed(encoding, pool: connection.loop.buffers))
  }

  /// Says that no message follows.
  public func finishSending() {
    guard !isSendingFinished else { return }
    isSendingFinished = true
    resumeSending()
  }

  /// Ends the call at once, here with `status`, at the server with RST_STREAM.
  public func cancel(_ status: Status = Status(.cancelled, "the client cancelled the call")) {
    guard handler != nil else { return }
    let processing: CallOutcome.Processing = wereHeadersSent ? .possiblyProcessed : .notProcessed
    reset(NGHTTP2_CANCEL.rawValue)
    finish(CallOutcome(status: status, processing: processing))
  }

  private func finish(_ outcome: CallOutcome) {
    deadline?.cancel()
    deadline = nil
    let handler = self.handler
    self.handler = nil
    handler?.finished(outcome)
  }

  // MARK: From the transport

  override func received(_ headers: ReceivedHeaders, isLast: Bool) {
    guard handler != nil else { return }
    let read = ResponseHeadReader(headers)
    if isLast {
      let status =
        read.status
        ?? (hasInitialHeaders
          ? Status(.internal, "the server ended the call without a grpc-status")
          : Status(httpStatus: read.httpStatus ?? 0))
      ending = CallOutcome(status: status, trailers: read.metadata)
    } else if !read.isInterim {
      receiveInitial(read)
    }
  }

  private func receiveInitial(_ read: ResponseHeadReader) {
    hasInitialHeaders = true
    if read.httpStatus != 200 {
      end(Status(httpStatus: read.httpStatus ?? 0))
    } else if !read.isGRPC {
      end(Status(.unknown, "the server's answer is not gRPC (content-type)"))
    } else if let encoding = read.encoding {
      inbound.deframer.encoding = encoding
      handler?.receive(headers: read.metadata)
    } else {
      end(Status(.internal, "the server answers in an encoding that was not offered"))
    }
  }

  /// Gives the call up because of what the server sent.
  private func end(_ status: Status) {
    reset(NGHTTP2_CANCEL.rawValue)
    finish(CallOutcome(status: status))
  }

  override func headersExceededLimit() {
    let limit = connection?.configuration.maxHeaderListByteCount ?? 0
    end(Status(.resourceExhausted, "the server's header list has more than \(limit) bytes"))
  }

  override func received(_ message: ReceivedMessage) {
    guard hasInitialHeaders else {
      return end(Status(.internal, "the server sent a message before its headers"))
    }
    handler?.receive(message)
  }

  override func receivedEnd() {
    let ending =
      self.ending
      ?? CallOutcome(status: Status(.internal, "the server ended the call without trailers"))
    if !isSendingFinished { reset(NGHTTP2_CANCEL.rawValue) }
    finish(ending)
  }

  override func fail(_ status: Status) { end(status) }

  override func becameWritable() { handler?.writable() }

  override func sentHeaders(endsStream: Bool) { wereHeadersSent = true }

  override func closed(_ code: UInt32, reason: TransportError?) {
    // All has come, and the reader has yet to take it.
    if inbound.hasEnded, !inbound.isFinished { return }
    let processing: CallOutcome.Processing =
      wereHeadersSent && code != NGHTTP2_REFUSED_STREAM.rawValue
      ? .possiblyProcessed : .notProcessed
    let status =
      reason.map { Status(.unavailable, $0.message) }
      ?? (wereHeadersSent
        ? Status(resetWith: code) : Status(.unavailable, "the connection takes no more calls"))
    finish(CallOutcome(status: status, processing: processing))
  }
}
