// SPDX-License-Identifier: Apache-2.0
internal import CProtobuf

/// Decodes a protobuf-c message in an arena and lends it to `body`.
///
/// - Parameter maxByteCount: memory that the decoded message may take at most.
/// - Throws: `.internal` when the bytes are malformed or need more memory; what `body` throws.
func withDecoded<Message, Result>(
  _: Message.Type, descriptor: ProtobufCMessageDescriptor, bytes: UnsafeRawBufferPointer,
  maxByteCount: Int = 16 << 20,
  _ body: (borrowing Message) throws(MassifError) -> Result
) throws(MassifError) -> Result {
  // An ordinary answer's head fits in the scratch memory, so decoding it does not touch the heap.
  let outcome = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 16) {
    scratch -> Swift.Result<Result, MassifError> in
    var arena = mpb_arena()
    return withUnsafeMutablePointer(to: &arena) { arena in
      mpb_arena_start(arena, scratch.baseAddress, scratch.count, maxByteCount)
      defer { mpb_arena_release(arena) }
      return withUnsafePointer(to: descriptor) { descriptor in
        let decoded = protobuf_c_message_unpack(
          descriptor, &arena.pointee.allocator, bytes.count,
          bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        guard let decoded else {
          return .failure(
            MassifError(
              .internal,
              arena.pointee.exhausted
                ? "the server's answer needs more than \(maxByteCount) bytes when decoded"
                : "the server's answer is not the protobuf message that the method returns"))
        }
        // SAFETY: the descriptor is that of `Message`, whose first member is the ProtobufCMessage.
        let message = UnsafeRawPointer(decoded).assumingMemoryBound(to: Message.self)
        do throws(MassifError) {
          return .success(try body(message.pointee))
        } catch {
          return .failure(error)
        }
      }
    }
  }
  return try outcome.get()
}

extension String {
  /// The text of a protobuf-c string field.
  init(field: UnsafePointer<CChar>?) {
    self = field.map { String(cString: $0) } ?? ""
  }
}
