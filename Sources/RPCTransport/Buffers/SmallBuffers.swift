// SPDX-License-Identifier: Apache-2.0

/// Buffers for small messages that their loop uses again and again: no memory is taken for a small
/// call, and no lock.
///
/// Loop only.
final class SmallBuffers {
  /// What a small buffer holds, in bytes.
  static let capacity = 1024
  /// Buffers that are kept, so at most 0.5 MB.
  private static let maxSpare = 512

  @exclusivity(unchecked) private var spare: [PooledBuffer] = []

  /// An empty buffer; nil for a capacity that is not small, or where there is no memory.
  func take(_ capacity: Int) -> PooledBuffer? {
    guard capacity <= Self.capacity else { return nil }
    return spare.popLast() ?? PooledBuffer(small: Self.capacity)
  }

  /// Takes a buffer back where it is small and nobody else holds it; the caller has let go of it
  /// in any case.
  func giveBack(_ buffer: inout PooledBuffer?) {
    guard let isSmall = buffer?.isSmall else { return }
    if isSmall, spare.count < Self.maxSpare, isKnownUniquelyReferenced(&buffer), let buffer {
      buffer.empty()
      spare.append(buffer)
    }
    buffer = nil
  }
}

extension EventLoop {
  /// An empty buffer for a small message, to be sent over a connection of this loop; nil for a
  /// capacity over 1 KB, or where there is no memory.
  ///
  /// Loop only.
  public func smallBuffer(capacity: Int) -> PooledBuffer? {
    assertCurrent()
    return smallBuffers.take(capacity)
  }

  /// Lets go of a message that was received; a small one that nobody else holds is used again.
  ///
  /// Loop only.
  public func recycle(_ message: inout ReceivedMessage?) {
    assertCurrent()
    var buffer = message?.buffer
    message = nil
    smallBuffers.giveBack(&buffer)
  }
}
