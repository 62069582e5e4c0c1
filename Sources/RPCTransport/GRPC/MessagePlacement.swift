// SPDX-License-Identifier: Apache-2.0

/// Where the messages of a connection are put: small ones into buffers that are used again, and all
/// so that a tensor inside of one lies aligned and need not be moved.
///
/// A client repeats itself: where the tensor of one message was, it is in the next of that length.
struct MessagePlacement {
  /// For small messages; nil: none are kept.
  var smallBuffers: SmallBuffers?
  /// The length of the messages that are aligned.
  var byteCount = -1
  /// The byte that is put on a boundary.
  var offset = 0

  /// Enough for every element type, and what `malloc` gives.
  private static let smallAlignment = 16
  /// A cache line, for messages so large that it costs nothing.
  private static let largeAlignment = 64
  private static let largeByteCount = 4096

  /// An empty buffer for a message of `length` bytes; nil where there is no memory for it.
  func buffer(of length: Int, from pool: BufferPool) -> PooledBuffer? {
    let isAligned = length == byteCount
    let alignment = length < Self.largeByteCount ? Self.smallAlignment : Self.largeAlignment
    let capacity = isAligned ? length + alignment - 1 : length
    let buffer = smallBuffers?.take(capacity) ?? pool.bufferIfAvailable(capacity: capacity)
    if isAligned { buffer?.align(byteAt: offset, to: alignment) }
    return buffer
  }
}
