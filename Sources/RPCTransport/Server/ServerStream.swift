// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What the transport tells about a call, on the loop of its connection.
///
/// After ``ServerStream/finish(_:trailers:)`` or ``cancelled()`` nothing more is told.
public protocol ServerStreamHandler: AnyObject {
  /// A complete message.
  func receive(_ message: ReceivedMessage)
  /// The client has sent its last message.
  func receiveEnd()
  /// The client has reset the call, or its connection is lost. The call cannot be answered.
  func cancelled()
  /// The transport has ended the call itself, with this status, for a broken rule or limit.
  func failed(_ status: Status)
  /// There is room again after ``ServerStream/send(_:)`` has said to pause.
  func writable()
}

extension ServerStreamHandler {
  /// Is told as ``cancelled()`` where the status does not matter.
  public func failed(_ status: Status) { cancelled() }
}

/// The server's end of one call.
///
/// Loop only.
public final class ServerStream: MessageStream {
  /// Where the call is between its headers and its status.
  private enum Response {
    case notStarted
    case started
    case finishing(Status, Metadata)
    /// A page and no call: the end of its body is the end.
    case page
    case finished
  }

  private var response = Response.notStarted
  private var wasOpened = false
  private var acceptedEncodings: MessageEncodings = []
  /// The encoding that the headers have announced.
  private var encoding = MessageEncoding.identity
  private var handler: (any ServerStreamHandler)?
  /// What the delegate leaves with a call that is over, to use it again with this object.
  ///
  /// Must not hold the stream.
  @exclusivity(unchecked) public var leftover: AnyObject?
  // SAFETY: used while the connection is open, whose owner the server is.
  private unowned(unsafe) let server: ServerConnection

  init(connection: HTTP2Connection, server: ServerConnection) {
    self.server = server
    super.init(connection: connection)
  }

  override func reopen(on connection: HTTP2Connection) {
    response = .notStarted
    wasOpened = false
    acceptedEncodings = []
    encoding = .identity
    super.reopen(on: connection)
  }

  /// Sends the initial metadata now, without waiting for a message; at most once.
  public func sendHeaders(_ metadata: Metadata = Metadata()) {
    // A header list that is made anew can as well say in which encoding messages may follow.
    sendHeaders(metadata, announcing: metadata.isEmpty ? .identity : acceptedEncodings.preferred)
  }

  private func sendHeaders(_ metadata: Metadata, announcing encoding: MessageEncoding) {
    guard case .notStarted = response, let connection else { return }
    response = .started
    self.encoding = encoding
    if metadata.isEmpty, encoding == .identity {
      connection.session?.submitPlainResponse(self)
    } else {
      var block = HeaderBlock()
      block.add(":status", "200")
      block.add("content-type", "application/grpc")
      if encoding != .identity { block.add("grpc-encoding", "\(encoding.name)") }
      block.add(metadata)
      connection.session?.submitResponse(self, &block)
    }
    connection.setNeedsFlush()
  }

  /// Queues a message, behind empty initial metadata where none was sent.
  ///
  /// - Returns: false where so much waits that the caller should pause until `writable`; the
  ///   message is queued all the same.
  @discardableResult
  public func send(_ message: OutgoingMessage) -> Bool {
    if message.prefersCompression, !message.isCompressed { return send(compressing: message) }
    switch response {
    case .notStarted:
      let goOn = enqueue(message)
      sendHeaders()
      return goOn
    case .started: return enqueue(message)
    case .finishing, .page, .finished: return true
    }
  }

  private func send(compressing message: OutgoingMessage) -> Bool {
    sendHeaders(Metadata(), announcing: acceptedEncodings.preferred)
    guard case .started = response, let connection else { return true }
    return enqueue(message.compressed(encoding, pool: connection.loop.buffers))
  }

  /// Ends the call with a status, behind the messages that wait; later calls are without effect.
  ///
  /// The handler is told nothing more.
  public func finish(_ status: Status, trailers: Metadata = Metadata()) {
    handler = nil
    stopReceiving()
    switch response {
    case .notStarted: sendTrailersOnly(status, trailers)
    case .started:
      response = .finishing(status, trailers)
      isSendingFinished = true
      resumeSending()
    case .finishing, .page, .finished: break
    }
  }

  private func sendTrailersOnly(_ status: Status, _ trailers: Metadata) {
    var block = HeaderBlock()
    block.add(":status", "200")
    block.add("content-type", "application/grpc")
    HeaderFields.add(status, to: &block)
    block.add(trailers)
    sendOnly(&block)
  }

  private func sendOnly(_ block: inout HeaderBlock) {
    response = .finished
    isSendingFinished = true
    connection?.session?.submitHeadersOnly(self, &block)
    connection?.setNeedsFlush()
  }

  // MARK: From the transport

  override func received(_ headers: ReceivedHeaders, isLast: Bool) {
    // Trailers of a request carry nothing that gRPC knows of.
    guard !wasOpened else { return }
    wasOpened = true
    switch server.verdict(headers) {
    case .http(let status): refuse(status)
    case .page(let path):
      guard let page = server.page(path) else { return refuse("405") }
      send(page)
    case .status(let status): finish(status)
    case .unknownEncoding: refuseEncoding()
    case .call(let head): open(head)
    }
  }

  private func refuse(_ status: StaticString) {
    stopReceiving()
    var block = HeaderBlock()
    block.add(":status", status.description)
    if status.description == "405" { block.add("allow", "POST") }
    sendOnly(&block)
  }

  private func send(_ page: HTTPPage) {
    stopReceiving()
    var block = HeaderBlock()
    block.add(":status", "\(page.status)")
    block.add("content-type", page.contentType)
    block.add("content-length", "\(page.body.count)")
    guard !page.body.isEmpty else { return sendOnly(&block) }
    response = .page
    _ = enqueue(.unframed(page.body))
    isSendingFinished = true
    connection?.session?.submitResponse(self, &block)
    connection?.setNeedsFlush()
  }

  /// grpc/compression.md: the refusal says what would be accepted.
  private func refuseEncoding() {
    stopReceiving()
    var block = HeaderBlock()
    block.add(":status", "200")
    block.add("content-type", "application/grpc")
    block.add("grpc-accept-encoding", "\(MessageEncodings.acceptedHeader)")
    let message = "messages are accepted with grpc-encoding \(MessageEncodings.acceptedHeader)"
    HeaderFields.add(Status(.unimplemented, message), to: &block)
    sendOnly(&block)
  }

  private func open(_ head: RequestHead) {
    inbound.deframer.encoding = head.encoding
    acceptedEncodings = head.acceptedEncodings
    let handler = server.open(self, head)
    switch response {
    case .finishing, .page, .finished: break
    case .notStarted, .started:
      self.handler = handler
      if handler == nil { finish(Status(.internal, "the call was not taken")) }
    }
  }

  override func headersExceededLimit() {
    let limit = connection?.configuration.maxHeaderListByteCount ?? 0
    fail(Status(.resourceExhausted, "the header list has more than \(limit) bytes"))
  }

  override func received(_ message: ReceivedMessage) { handler?.receive(message) }

  override func receivedEnd() { handler?.receiveEnd() }

  override func becameWritable() { handler?.writable() }

  override func fail(_ status: Status) {
    let handler = self.handler
    finish(status)
    handler?.failed(status)
  }

  override func sendingReachedEnd() -> SendingEnd {
    if case .page = response { return .endStream }
    guard case .finishing(let status, let trailers) = response else { return .trailers }
    response = .finished
    if status.code == .ok, status.message.isEmpty, status.details.isEmpty, trailers.isEmpty {
      connection?.session?.submitSuccessTrailers(self)
    } else {
      var block = HeaderBlock()
      HeaderFields.add(status, to: &block)
      block.add(trailers)
      connection?.session?.submitTrailers(self, &block)
    }
    return .trailers
  }

  override func sentHeaders(endsStream: Bool) {
    // RFC 9113 §8.1: a server that has answered asks, without an error, that the rest be not sent.
    if endsStream, !inbound.hasEnded { connection?.reset(self, NGHTTP2_NO_ERROR.rawValue) }
  }

  override func couldNotSendHeaders() {
    connection?.reset(self, NGHTTP2_INTERNAL_ERROR.rawValue)
  }

  override func closed(_ code: UInt32, reason: TransportError?) {
    response = .finished
    let handler = self.handler
    self.handler = nil
    handler?.cancelled()
  }
}
