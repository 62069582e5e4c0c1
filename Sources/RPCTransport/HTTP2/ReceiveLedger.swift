// SPDX-License-Identifier: Apache-2.0

/// What a connection holds of what it has received: messages that are not complete, and bytes of
/// calls whose reader has paused.
struct ReceiveLedger {
  /// Messages that are being received, by their announced length.
  private(set) var assemblingByteCount = 0
  /// Bytes of paused calls.
  private(set) var heldByteCount = 0
  /// Of those, the bytes whose connection window was not given back.
  private var withheldByteCount = 0

  /// Whether a message of this length may be received beside the others; counts it if so.
  mutating func admit(_ length: Int, limit: Int) -> Bool {
    guard assemblingByteCount + length <= limit else { return false }
    assemblingByteCount += length
    return true
  }

  /// Counts a message that is complete, or was given up.
  mutating func complete(_ length: Int) { assemblingByteCount -= length }

  /// Counts bytes of a paused call.
  ///
  /// - Returns: the bytes of the connection's window to give back at once: all, so that other calls
  ///   go on, until more than `limit` are held.
  mutating func hold(_ count: Int, limit: Int) -> Int {
    heldByteCount += count
    if heldByteCount <= limit { return count }
    withheldByteCount += count
    return 0
  }

  /// Counts bytes of a paused call that were read or dropped.
  ///
  /// - Returns: the bytes of the connection's window to give back now.
  mutating func release(_ count: Int, limit: Int) -> Int {
    heldByteCount -= count
    guard heldByteCount <= limit else { return 0 }
    defer { withheldByteCount = 0 }
    return withheldByteCount
  }
}
