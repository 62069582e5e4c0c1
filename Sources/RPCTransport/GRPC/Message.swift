// SPDX-License-Identifier: Apache-2.0

/// A complete gRPC message that came in: the bytes behind the 5-byte prefix.
public struct ReceivedMessage: Sendable {
  /// Where the bytes are; may be kept and passed on for as long as they are of use.
  public let buffer: PooledBuffer
  /// Whether the message was compressed on the wire.
  public let wasCompressed: Bool
  /// Whether `buffer` has yet to be decompressed; never true of a message that was handed on.
  let isEncoded: Bool

  /// Makes a message of a filled buffer.
  public init(_ buffer: PooledBuffer) {
    self.buffer = buffer
    wasCompressed = false
    isEncoded = false
  }

  init(_ buffer: PooledBuffer, isEncoded: Bool) {
    self.buffer = buffer
    wasCompressed = isEncoded
    self.isEncoded = isEncoded
  }

  init(decompressed buffer: PooledBuffer) {
    self.buffer = buffer
    wasCompressed = true
    isEncoded = false
  }

  /// The message's bytes; valid as long as `buffer`.
  public var bytes: UnsafeRawBufferPointer { buffer.bytes }
}

/// A message to send: a head of its own and, behind it, borrowed pieces that are sent in place.
///
/// The transport adds the 5-byte prefix. The head and the owners are held until their bytes are
/// encrypted or the call is gone, so a response can lend a model's output tensor without a copy.
///
/// Sendable because nobody may change the lent bytes until the owner is released.
public struct OutgoingMessage: @unchecked Sendable {
  /// Bytes that somebody lends until the message is sent.
  public struct Segment {
    /// The bytes.
    public let bytes: UnsafeRawBufferPointer
    /// What keeps them in place and unchanged.
    public let owner: AnyObject?

    /// Lends `bytes`, kept by `owner`.
    public init(_ bytes: UnsafeRawBufferPointer, owner: AnyObject?) {
      self.bytes = bytes
      self.owner = owner
    }
  }

  /// The first bytes, or nil where there are none.
  public var head: PooledBuffer?
  /// The pieces behind the head, in their order.
  public var segments: [Segment]
  /// Whether to compress the message where the other end accepts an encoding and it gets shorter.
  ///
  /// The encoding is announced with the headers of the call: of a response without initial metadata
  /// the first message must ask for it too.
  public var prefersCompression = false
  /// Whether these bytes are in the encoding of their call.
  var isCompressed = false
  private(set) var isUnavailable = false
  /// Whether a prefix goes before the message, as before every message of gRPC.
  private(set) var isFramed = true

  /// Makes a message of a head and the pieces that follow it.
  public init(head: PooledBuffer?, segments: [Segment] = []) {
    self.head = head
    self.segments = segments
  }

  /// Makes a message of a copy of `bytes`; ``unavailable`` where there is no memory for it.
  public init(_ bytes: some Collection<UInt8>) {
    guard !bytes.isEmpty else {
      self.init(head: nil)
      return
    }
    guard let copy = PooledBuffer(ifAvailable: bytes.count) else {
      self = .unavailable
      return
    }
    copy.fill(bytes)
    self.init(head: copy)
  }

  /// Stands for a message for which there was no memory: sending it fails its call with
  /// RESOURCE_EXHAUSTED, and nothing else.
  public static var unavailable: OutgoingMessage {
    var message = OutgoingMessage(head: nil)
    message.isUnavailable = true
    return message
  }

  /// Bytes that are no message of gRPC.
  static func unframed(_ bytes: [UInt8]) -> OutgoingMessage {
    var message = OutgoingMessage(bytes)
    message.isFramed = false
    return message
  }

  /// The length of the message, without the prefix.
  public var byteCount: Int {
    var sum = head?.count ?? 0
    for segment in segments { sum += segment.bytes.count }
    return sum
  }
}
