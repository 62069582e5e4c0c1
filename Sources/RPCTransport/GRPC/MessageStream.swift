// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// One call's two flows of messages over an HTTP/2 stream: what both ends have in common.
///
/// Loop only. An object outlives its stream: after the end every method is without effect, so that
/// whoever completes a call need not know whether the peer has left.
public class MessageStream {
  /// The connection while the stream is open.
  private(set) var connection: HTTP2Connection?
  /// The HTTP/2 stream; 0 until it is given.
  var streamID: Int32 = 0
  /// The place in the connection's list of open streams.
  var slot = -1
  // Loop only, and no method of either runs code of others, so accesses cannot overlap; their
  // dynamic checks show in profiles of small calls.
  @exclusivity(unchecked) var inbound: InboundMessages
  @exclusivity(unchecked) var outbound = OutboundMessages()
  /// nghttp2 was told that there is nothing to send for now.
  var isDeferred = false
  /// No message follows those that wait.
  var isSendingFinished = false
  /// `send` has said to pause and `writable` was not called since.
  private var isThrottled = false
  /// Bytes of the messages that have come, as they came, without their prefixes.
  public private(set) var receivedByteCount: UInt64 = 0
  /// Bytes of the messages that were handed in to be sent, as they go, without their prefixes.
  public private(set) var sentByteCount: UInt64 = 0
  /// When the last bytes were handed to the connection, to notice a peer that does not read.
  private(set) var lastSent: ContinuousClock.Instant

  init(connection: HTTP2Connection) {
    self.connection = connection
    inbound = InboundMessages(maxMessageSize: connection.configuration.maxMessageSize)
    lastSent = connection.loop.now
  }

  /// Makes a stream that is gone stand for a new one, so that a call costs no object.
  ///
  /// - Precondition: nobody else holds it.
  func reopen(on connection: HTTP2Connection) {
    self.connection = connection
    streamID = 0
    slot = -1
    inbound = InboundMessages(maxMessageSize: connection.configuration.maxMessageSize)
    isDeferred = false
    isSendingFinished = false
    isThrottled = false
    receivedByteCount = 0
    sentByteCount = 0
    lastSent = connection.loop.now
  }

  /// The longest message that is accepted on this stream, in bytes; to be set before the first
  /// arrives, so while the call is opened.
  public var maxMessageSize: Int {
    get { inbound.deframer.maxMessageSize }
    set { inbound.deframer.maxMessageSize = newValue }
  }

  /// Has the next messages of the connection that are `byteCount` bytes long put into memory so that
  /// the byte at `offset` is aligned to 16 bytes, or to 64 in a large one; the last word counts.
  public func alignMessages(ofByteCount byteCount: Int, at offset: Int) {
    connection?.placement.byteCount = byteCount
    connection?.placement.offset = offset
  }

  /// Whether the stream is gone: finished on both sides, reset, or its connection lost.
  public var isClosed: Bool { connection == nil }

  /// Bytes of messages that wait to be sent.
  public var pendingByteCount: Int { outbound.byteCount }

  // MARK: Reading

  /// Stops handing messages on.
  ///
  /// What arrives meanwhile is bounded by HTTP/2 flow control.
  public func pauseReading() { inbound.isPaused = true }

  /// Hands on what has waited, and the rest as it comes.
  public func resumeReading() {
    guard inbound.isPaused else { return }
    inbound.isPaused = false
    guard !inbound.isDelivering else { return }
    deliverWaiting()
    connection?.setNeedsFlush()
  }

  /// Takes the payload of a DATA frame, or a part of it.
  func receive(_ data: UnsafeRawBufferPointer) {
    guard let connection else { return }
    if inbound.isFinished {
      connection.consume(data.count, of: self)
      return
    }
    cut(data, connection)
    if inbound.isBlocked && !inbound.isFinished {
      inbound.heldByteCount += data.count
      connection.hold(data.count)
    } else {
      connection.consume(data.count, of: self)
    }
  }

  private func cut(_ data: UnsafeRawBufferPointer, _ connection: HTTP2Connection) {
    var rest = data
    while !inbound.isFinished {
      let step = inbound.deframer.next(
        &rest, pool: connection.loop.buffers, placement: connection.placement
      ) { length in connection.admit(length) }
      switch step {
      case .needsMore:
        if !inbound.deframer.isBetweenMessages, inbound.assemblySince == nil {
          inbound.assemblySince = connection.loop.now
        }
        return
      case .message(let buffer, let isCompressed):
        inbound.assemblySince = nil
        connection.complete(buffer.count)
        receivedByteCount &+= UInt64(buffer.count)
        deliver(ReceivedMessage(buffer, isEncoded: isCompressed))
      case .failure(let status):
        inbound.isFinished = true
        fail(status)
      }
    }
  }

  private func deliver(_ message: ReceivedMessage) {
    guard !inbound.isBlocked, inbound.isEmpty else { return inbound.append(message) }
    inbound.isDelivering = true
    if message.isEncoded { decompress(message) } else { received(message) }
    inbound.isDelivering = false
  }

  func deliverWaiting() {
    inbound.isDelivering = true
    while !inbound.isBlocked, !inbound.isFinished, let message = inbound.popFirst() {
      if message.isEncoded { decompress(message) } else { received(message) }
    }
    inbound.isDelivering = false
    guard !inbound.isBlocked else { return }
    releaseHeld()
    if inbound.hasEnded { deliverEnd() }
  }

  /// Gives the peer's window back that was kept while the reader paused.
  private func releaseHeld() {
    let held = inbound.heldByteCount
    guard held > 0, let connection else { return }
    inbound.heldByteCount = 0
    connection.consumeStream(held, of: self)
    connection.release(held)
  }

  /// The peer has sent its last byte.
  func receiveEndOfStream() {
    guard !inbound.isFinished else { return }
    inbound.hasEnded = true
    if !inbound.isBlocked, inbound.isEmpty { deliverEnd() }
  }

  private func deliverEnd() {
    guard !inbound.isFinished else { return }
    inbound.isFinished = true
    if inbound.deframer.isBetweenMessages {
      receivedEnd()
    } else {
      fail(Status(.invalidArgument, "the stream ended inside a message"))
    }
  }

  /// From now on what arrives is thrown away, and the peer's window given back.
  func stopReceiving() {
    inbound.isFinished = true
    inbound.removeAll()
    releaseHeld()
  }

  // MARK: Sending

  /// Queues a message.
  ///
  /// Returns false where the caller should wait for `writable`.
  func enqueue(_ message: OutgoingMessage) -> Bool {
    guard let connection, !isSendingFinished else { return true }
    let waiting = outbound.byteCount
    if waiting == 0 { lastSent = connection.loop.now }
    guard outbound.append(message) else {
      fail(Status(.resourceExhausted, "the message is longer than 4 GiB or than memory has room"))
      return true
    }
    // What was added, less the prefix.
    sentByteCount &+= UInt64(
      max(outbound.byteCount - waiting - OutboundMessages.prefixByteCount, 0))
    resumeSending()
    guard outbound.byteCount >= connection.configuration.highWaterByteCount else { return true }
    isThrottled = true
    return false
  }

  /// Tells nghttp2 that there is something to send again.
  func resumeSending() {
    guard let connection else { return }
    if isDeferred {
      isDeferred = false
      connection.resumeData(self)
    }
    connection.setNeedsFlush()
  }

  /// Copies outgoing bytes into a frame.
  func read(_ count: Int, to destination: UnsafeMutableRawPointer) {
    guard let connection else { return }
    lastSent = connection.loop.now
    var copied = 0
    while copied < count {
      copied += outbound.read(count - copied, to: destination + copied)
      if outbound.spent != nil { recycleSpent(connection.loop) }
    }
    if isThrottled && outbound.byteCount < connection.configuration.lowWaterByteCount {
      isThrottled = false
      connection.noteWritable(self)
    }
  }

  /// Releases the message that was sent last, outside of every access, as its owners may do what
  /// they like; its head is used again.
  private func recycleSpent(_ loop: EventLoop) {
    var spent: OutgoingMessage?
    swap(&spent, &outbound.spent)
    var head = spent?.head
    spent = nil
    loop.smallBuffers.giveBack(&head)
  }

  /// Releases what waits to be sent.
  private func dropOutbound() {
    guard outbound.byteCount > 0 else { return }
    var dropped = OutboundMessages()
    swap(&dropped, &outbound)
  }

  // MARK: The end

  /// Ends the stream at once with an HTTP/2 error code; the peer's data is thrown away.
  func reset(_ code: UInt32) {
    stopReceiving()
    dropOutbound()
    isSendingFinished = true
    connection?.reset(self, code)
  }

  /// The stream is gone.
  ///
  /// Releases what it holds and detaches it from its connection.
  final func detach() {
    guard let connection else { return }
    connection.complete(inbound.deframer.assemblingByteCount)
    if inbound.heldByteCount > 0 { connection.release(inbound.heldByteCount) }
    inbound.heldByteCount = 0
    if !(inbound.hasEnded && !inbound.isFinished) {
      // Otherwise all has come, and the reader that paused has yet to take it.
      inbound = InboundMessages(maxMessageSize: 0)
      inbound.isFinished = true
    }
    dropOutbound()
    isSendingFinished = true
    self.connection = nil
  }

  // MARK: For the two roles

  /// A message is complete.
  func received(_ message: ReceivedMessage) {}
  /// The peer's last message was handed on.
  func receivedEnd() {}
  /// The peer broke a rule or a limit; the call ends with this status.
  func fail(_ status: Status) {}
  /// Under the low-water mark after `send` said to pause.
  func becameWritable() {}
  /// A header list is complete; it is the last where the peer sends nothing after it.
  func received(_ headers: ReceivedHeaders, isLast: Bool) {}
  /// The header list is longer than the configuration allows; no more of it is passed on.
  func headersExceededLimit() {}
  /// The last outgoing byte is in a frame: what follows it.
  func sendingReachedEnd() -> SendingEnd { .endStream }
  /// A header list was sent.
  func sentHeaders(endsStream: Bool) {}
  /// A header list cannot be sent.
  func couldNotSendHeaders() {}
  /// The stream is gone; called once, before it is detached.
  func closed(_ code: UInt32, reason: TransportError?) {}

  /// What follows the last outgoing byte.
  enum SendingEnd {
    case endStream
    case trailers
  }
}
