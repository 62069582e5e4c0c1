// SPDX-License-Identifier: Apache-2.0

/// The messages of a stream that wait to be sent, read as one run of bytes with their prefixes.
struct OutboundMessages {
  /// The first message; kept apart so that a call with one message needs no array.
  private var current: OutgoingMessage?
  private var later: [OutgoingMessage] = []
  private var laterStart = 0
  private var length = 0
  /// How much of the first message, its prefix included, has been read.
  private var position = 0

  /// Bytes before each message.
  static let prefixByteCount = 5

  /// The message whose last byte was copied, until somebody takes it out.
  var spent: OutgoingMessage?

  /// Bytes that wait, prefixes included.
  private(set) var byteCount = 0

  /// Adds a message; false where it cannot be sent: there was no memory for it, or it is longer
  /// than a prefix can say.
  mutating func append(_ message: OutgoingMessage) -> Bool {
    let count = message.byteCount
    guard count <= Int(UInt32.max), !message.isUnavailable else { return false }
    byteCount += message.isFramed ? Self.prefixByteCount + count : count
    if current == nil {
      begin(message, count)
    } else {
      later.append(message)
    }
    return true
  }

  /// Copies the next bytes to `destination`, up to `count` of them and up to the end of a message.
  ///
  /// A message whose last byte was copied is left in ``spent``: releasing it runs code of others.
  ///
  /// - Precondition: `count` is at most ``byteCount``, and `spent` is nil.
  /// - Returns: how many were copied, at least 1.
  mutating func read(_ count: Int, to destination: UnsafeMutableRawPointer) -> Int {
    guard current != nil else { return count }
    var copied = 0
    while copied < count, position < Self.prefixByteCount + length {
      let step = copy(to: destination + copied, atMost: count - copied)
      copied += step
      position += step
    }
    byteCount -= copied
    if position == Self.prefixByteCount + length { advance() }
    return copied
  }

  private mutating func begin(_ message: OutgoingMessage, _ count: Int) {
    current = message
    length = count
    position = message.isFramed ? 0 : Self.prefixByteCount
  }

  private mutating func advance() {
    swap(&spent, &current)
    guard laterStart < later.count else { return }
    begin(later[laterStart], later[laterStart].byteCount)
    later[laterStart] = OutgoingMessage(head: nil)
    laterStart += 1
    if laterStart == later.count {
      later.removeAll(keepingCapacity: true)
      laterStart = 0
    }
  }

  /// Copies from the piece that `position` lies in; returns at least 1.
  private func copy(to destination: UnsafeMutableRawPointer, atMost limit: Int) -> Int {
    if position < 5 {
      let prefix: (UInt8, UInt8, UInt8, UInt8, UInt8) = (
        current?.isCompressed == true ? 1 : 0, UInt8(truncatingIfNeeded: length >> 24),
        UInt8(truncatingIfNeeded: length >> 16),
        UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)
      )
      return withUnsafeBytes(of: prefix) { copy($0, from: position, destination, limit) }
    }
    var offset = position - 5
    if let head = current?.head {
      if offset < head.count { return copy(head.bytes, from: offset, destination, limit) }
      offset -= head.count
    }
    for segment in current?.segments ?? [] {
      if offset < segment.bytes.count {
        return copy(segment.bytes, from: offset, destination, limit)
      }
      offset -= segment.bytes.count
    }
    preconditionFailure("a message changed while it was sent")
  }

  private func copy(
    _ piece: UnsafeRawBufferPointer, from offset: Int, _ destination: UnsafeMutableRawPointer,
    _ limit: Int
  ) -> Int {
    let count = min(limit, piece.count - offset)
    guard let source = piece.baseAddress else { return 0 }
    // SAFETY: the caller reserved `limit` bytes; `count` does not leave the piece.
    destination.copyMemory(from: source + offset, byteCount: count)
    return count
  }
}
