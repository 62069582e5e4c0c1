// SPDX-License-Identifier: Apache-2.0
import CProtobuf

/// Decodes the small requests of the control methods with protobuf-c.
enum DecodedMessage {
  /// One of protoc-c's `…__unpack` functions.
  typealias Unpack<Message> = (
    UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
  ) -> UnsafeMutablePointer<Message>?

  /// Memory that such a request may decode to; it has two names and a few parameters.
  private static let budget = 256 << 10
  /// A request of more bytes than that is not looked at.
  static let maxByteCount = 16 << 10

  /// Lends `body` the message that `bytes` encode.
  ///
  /// - Throws: `.invalidArgument` for malformed bytes, and what `body` throws.
  static func with<Message, Result>(
    _ bytes: UnsafeRawBufferPointer, as name: String, _ unpack: Unpack<Message>,
    _ body: (Message) throws(ServingError) -> Result
  ) throws(ServingError) -> Result {
    guard bytes.count <= maxByteCount else {
      throw ServingError(
        .invalidArgument, "\(name) has at most \(maxByteCount) bytes, came \(bytes.count)")
    }
    var arena = mpb_arena()
    defer { mpb_arena_release(&arena) }
    // SAFETY: the arena's allocator points at the arena, which must not move until it has decoded;
    // the message itself lies in the arena's chunks.
    let message = withUnsafeMutablePointer(to: &arena) { arena in
      mpb_arena_start(arena, nil, 0, budget)
      return unpack(
        &arena.pointee.allocator, bytes.count,
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    guard let message else { throw ServingError(.invalidArgument, "malformed \(name)") }
    return try body(message.pointee)
  }
}
