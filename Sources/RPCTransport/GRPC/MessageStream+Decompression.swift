// SPDX-License-Identifier: Apache-2.0
internal import Dispatch

/// What becomes of a compressed message when its turn comes.
///
/// Small ones are decompressed at once. A larger one is finished on another thread, and the stream
/// waits for it as it would for a reader that has paused, so that no message of a peer, however
/// well it compresses, holds up the other connections of the loop.
extension MessageStream {
  /// What is decompressed on the loop: some 100 µs.
  private static let inlineByteCount = 128 << 10

  /// Decompresses a message and hands it on.
  func decompress(_ message: ReceivedMessage) {
    guard let connection else {
      // All has come and the stream is gone, and a reader that had paused takes the rest.
      let work = Decompression(
        message.buffer, inbound.deframer.encoding, limit: maxMessageSize,
        pool: BufferPool(maxRetainedByteCount: 0), budget: DecompressionBudget(limit: .max))
      return decompressed(work.run(atMost: .max))
    }
    let work = Decompression(
      message.buffer, inbound.deframer.encoding, limit: maxMessageSize,
      pool: connection.loop.buffers, budget: connection.decompressionBudget)
    switch work.run(atMost: Self.inlineByteCount) {
    case .more: finishElsewhere(work, connection.loop)
    case let step: decompressed(step)
    }
  }

  private func finishElsewhere(_ work: Decompression, _ loop: EventLoop) {
    inbound.isDecompressing = true
    // SAFETY: the stream is only touched by the closure that runs on its loop.
    let stream = Unchecked(self)
    DispatchQueue.global().async {
      let step = Unchecked(work.run(atMost: .max))
      loop.execute { stream.value.decompressedElsewhere(step.value) }
    }
  }

  private func decompressedElsewhere(_ step: Decompression.Step) {
    inbound.isDecompressing = false
    guard !inbound.isFinished else { return }
    decompressed(step)
    if !inbound.isPaused { deliverWaiting() }
    connection?.setNeedsFlush()
  }

  private func decompressed(_ step: Decompression.Step) {
    switch step {
    case .done(let buffer):
      let message = ReceivedMessage(decompressed: buffer)
      // A reader that has paused in the meantime takes it first when it goes on.
      guard !inbound.isPaused else { return inbound.prepend(message) }
      received(message)
    case .failure(let status):
      inbound.isFinished = true
      fail(status)
    case .more: break
    }
  }

  private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }
}
