// SPDX-License-Identifier: Apache-2.0
internal import CZlib

extension OutgoingMessage {
  /// The message in an encoding, or as it is where that would not make it shorter or there is no
  /// memory for it.
  ///
  /// Some 10-40 ns a byte, on the calling thread: a sender asks for it where a link is slow.
  func compressed(_ encoding: MessageEncoding, pool: BufferPool) -> OutgoingMessage {
    let count = byteCount
    guard encoding != .identity, count > 0, count <= Int(UInt32.max),
      let output = pool.bufferIfAvailable(capacity: count)
    else { return self }
    var stream = z_stream()
    return withUnsafeMutablePointer(to: &stream) { stream in
      let (windowBits, memoryLevel) = OutgoingMessage.size(for: count)
      guard
        cz_deflate_init(
          stream, OutgoingMessage.compressionLevel,
          encoding == .gzip ? windowBits + 16 : windowBits, memoryLevel) == Z_OK
      else { return self }
      defer { deflateEnd(stream) }
      stream.pointee.next_out = output.base.assumingMemoryBound(to: UInt8.self)
      // One byte less than the message, so that what fits is shorter.
      stream.pointee.avail_out = UInt32(count - 1)
      var pieces = segments.map(\.bytes)
      if let head { pieces.insert(head.bytes, at: 0) }
      for piece in pieces where !piece.isEmpty {
        stream.pointee.next_in = UnsafeMutablePointer(
          mutating: piece.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(piece.count)
        guard deflate(stream, Z_NO_FLUSH) == Z_OK, stream.pointee.avail_in == 0 else { return self }
      }
      guard deflate(stream, Z_FINISH) == Z_STREAM_END else { return self }
      output.count = count - 1 - Int(stream.pointee.avail_out)
      var message = OutgoingMessage(head: output)
      message.isCompressed = true
      return message
    }
  }

  /// The level at which zlib still looks for short matches only; higher ones cost several times
  /// more for a few percent.
  private static let compressionLevel: Int32 = 3

  /// The window and memory level that a message of this length needs: the largest take 256 KB to
  /// set up, which a small message would feel (zlib's manual, deflateInit2).
  private static func size(for count: Int) -> (windowBits: Int32, memoryLevel: Int32) {
    if count <= 4 << 10 { return (12, 5) }
    return count <= 16 << 10 ? (14, 7) : (15, 8)
  }
}
