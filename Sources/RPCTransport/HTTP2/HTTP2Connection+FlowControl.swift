// SPDX-License-Identifier: Apache-2.0

/// What the streams ask of their connection: room for what they receive, and its turn to send.
extension HTTP2Connection {
  /// Whether a message of this length may be received beside the others.
  func admit(_ length: Int) -> Bool {
    ledger.admit(length, limit: configuration.maxAssemblingByteCount)
  }

  /// A message of this length is complete, or was given up.
  func complete(_ length: Int) { ledger.complete(length) }

  /// Gives received bytes back to the peer's windows.
  func consume(_ count: Int, of stream: MessageStream) {
    session?.consume(count, stream: stream.streamID)
  }

  /// Gives received bytes back to the peer's window of a stream alone.
  func consumeStream(_ count: Int, of stream: MessageStream) {
    session?.consumeStream(count, stream: stream.streamID)
  }

  /// Counts bytes of a paused stream; the other streams go on until too many are held.
  func hold(_ count: Int) {
    giveBack(ledger.hold(count, limit: configuration.maxHeldByteCount))
  }

  /// Counts bytes of a paused stream that were read or dropped.
  func release(_ count: Int) {
    giveBack(ledger.release(count, limit: configuration.maxHeldByteCount))
  }

  private func giveBack(_ count: Int) {
    guard count > 0 else { return }
    session?.consumeConnection(count)
    setNeedsFlush()
  }

  func resumeData(_ stream: MessageStream) { session?.resumeData(stream) }

  func reset(_ stream: MessageStream, _ code: UInt32) {
    session?.reset(stream, code)
    setNeedsFlush()
  }

  /// Remembers a stream that is to hear that it can send again, once no frame is being made.
  func noteWritable(_ stream: MessageStream) { writable.append(stream) }
}
