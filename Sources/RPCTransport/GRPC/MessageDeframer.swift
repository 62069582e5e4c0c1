// SPDX-License-Identifier: Apache-2.0

/// Cuts the bytes of a stream into messages: 1 byte of flags, 4 bytes of length, the message.
///
/// The length is checked before memory is taken for it, and each byte is copied once, into the
/// message's own buffer.
struct MessageDeframer {
  /// What a step came to.
  enum Step {
    /// All bytes are used and no message is complete.
    case needsMore
    /// A message is complete; there may be more bytes.
    case message(PooledBuffer, isCompressed: Bool)
    /// The stream cannot go on, and ends with this status.
    case failure(Status)
  }

  /// A message may be this long, in bytes.
  var maxMessageSize: Int
  /// The encoding of those messages that are flagged as compressed.
  var encoding = MessageEncoding.identity
  private var prefix: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0)
  private var prefixCount = 0
  private var message: PooledBuffer?
  private var length = 0

  init(maxMessageSize: Int) { self.maxMessageSize = maxMessageSize }

  /// The length that was admitted for the message that is not complete; 0 outside of one.
  private(set) var assemblingByteCount = 0

  /// The bytes that have come of the message that is not complete, its prefix aside.
  var receivedByteCount: Int { message?.count ?? 0 }

  /// Whether the stream may end here.
  var isBetweenMessages: Bool { prefixCount == 0 }

  /// Takes bytes from the front of `bytes` up to the end of a message.
  ///
  /// - Parameters:
  ///   - placement: where messages are put.
  ///   - admit: asked with the length of a message before memory is taken; false fails the stream.
  mutating func next(
    _ bytes: inout UnsafeRawBufferPointer, pool: BufferPool,
    placement: MessagePlacement = MessagePlacement(), admit: (Int) -> Bool
  ) -> Step {
    guard let message else {
      guard takePrefix(&bytes) else { return .needsMore }
      if let failure = begin(pool, placement, admit: admit) { return .failure(failure) }
      return next(&bytes, pool: pool, placement: placement, admit: admit)
    }
    let wanted = length - message.count
    if bytes.count < wanted {
      message.append(bytes)
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return .needsMore
    }
    message.append(UnsafeRawBufferPointer(rebasing: bytes.prefix(wanted)))
    bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(wanted))
    self.message = nil
    prefixCount = 0
    assemblingByteCount = 0
    return .message(message, isCompressed: prefix.0 != 0)
  }

  private mutating func takePrefix(_ bytes: inout UnsafeRawBufferPointer) -> Bool {
    let count = min(5 - prefixCount, bytes.count)
    withUnsafeMutableBytes(of: &prefix) { prefix in
      for i in 0..<count { prefix[prefixCount + i] = bytes[i] }
    }
    prefixCount += count
    bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(count))
    return prefixCount == 5
  }

  /// Begins the message that the prefix announces.
  private mutating func begin(
    _ pool: BufferPool, _ placement: MessagePlacement, admit: (Int) -> Bool
  ) -> Status? {
    guard prefix.0 == 0 || (prefix.0 == 1 && encoding != .identity) else {
      // grpc/compression.md: the flag without a grpc-encoding is the sender's error.
      return prefix.0 == 1
        ? Status(.internal, "a message is flagged as compressed, but no encoding was agreed")
        : Status(.internal, "a message begins with 0 or 1, as it is compressed or not")
    }
    length =
      Int(prefix.1) << 24 | Int(prefix.2) << 16 | Int(prefix.3) << 8 | Int(prefix.4)
    guard length <= maxMessageSize else {
      return Status(
        .resourceExhausted,
        "the message has \(length) bytes; at most \(maxMessageSize) are accepted")
    }
    guard admit(length) else {
      return Status(
        .resourceExhausted, "too many bytes of messages are under way on this connection")
    }
    assemblingByteCount = length
    guard let buffer = placement.buffer(of: length, from: pool) else {
      return Status(.resourceExhausted, "no memory for a message of \(length) bytes")
    }
    message = buffer
    return nil
  }
}
