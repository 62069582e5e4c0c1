// SPDX-License-Identifier: Apache-2.0

/// The receiving half of a stream: what came but was not handed on, because the reader paused.
struct InboundMessages {
  var deframer: MessageDeframer
  /// Complete messages that wait for the reader.
  private var waiting: [ReceivedMessage] = []
  private var waitingStart = 0
  /// When the message that is not complete began; nil between messages.
  var assemblySince: ContinuousClock.Instant?
  /// Bytes of the peer's window that this stream has not given back.
  var heldByteCount = 0
  var isPaused = false
  /// A message is being decompressed on another thread; those behind it wait.
  var isDecompressing = false
  /// While messages are handed on, a pause or a resumption only changes the flag.
  var isDelivering = false
  /// The peer has sent its last byte.
  var hasEnded = false
  /// The reader was told of the end, or does not want to hear of it any more.
  var isFinished = false

  init(maxMessageSize: Int) { deframer = MessageDeframer(maxMessageSize: maxMessageSize) }

  /// Whether messages are not handed on for now.
  var isBlocked: Bool { isPaused || isDecompressing }

  var isEmpty: Bool { waitingStart == waiting.count }

  mutating func append(_ message: ReceivedMessage) { waiting.append(message) }

  /// Puts a message before those that wait.
  mutating func prepend(_ message: ReceivedMessage) {
    waiting.insert(message, at: waitingStart)
  }

  mutating func popFirst() -> ReceivedMessage? {
    guard waitingStart < waiting.count else { return nil }
    let message = waiting[waitingStart]
    waitingStart += 1
    if waitingStart == waiting.count {
      waiting = []
      waitingStart = 0
    }
    return message
  }

  mutating func removeAll() {
    waiting = []
    waitingStart = 0
  }
}
