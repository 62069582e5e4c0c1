// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import RPCTransport
import Runtime

/// Turns the bytes of a `ModelInferRequest` into tensors that fit a model.
///
/// Tensors stay where the transport received them. They are copied only if they come typed, or if
/// their place in the message is not a multiple of the element's size, which C code may rely on.
struct InferRequestDecoder: Sendable {
  /// Enough to decode an ordinary head without the heap.
  private static let scratchByteCount = 4096

  var limits: InferLimits
  /// Where decoded and realigned tensors go.
  let pool: BufferPool

  init(limits: InferLimits, pool: BufferPool) {
    self.limits = limits
    self.pool = pool
  }

  /// Decodes `message`.
  ///
  /// - Parameter resolve: finds the model of a name and version; the decoder asks it before it looks
  ///   at the tensors.
  /// - Throws: `.invalidArgument` with field paths, and what `resolve` throws.
  func decode<Target>(
    _ message: PooledBuffer,
    resolve: (_ name: String, _ version: String) throws(ServingError) -> Target,
    signature: (Target) -> ModelSignature
  ) throws(ServingError) -> (Target, InferRequest) {
    let scan = try InferRequestScan(message.bytes, limits: limits)
    let result = withUnsafeTemporaryAllocation(
      byteCount: Self.scratchByteCount, alignment: 16
    ) { scratch -> Result<(Target, InferRequest), ServingError> in
      var arena = mpb_arena()
      return withUnsafeMutablePointer(to: &arena) { arena in
        mpb_arena_start(
          arena, scratch.baseAddress, scratch.count, limits.maxDecodedHeadByteCount)
        defer { mpb_arena_release(arena) }
        do throws(ServingError) {
          let head = try decodeHead(of: message, scan: scan, in: arena)
          let name = String(field: head.pointee.model_name)
          guard !name.isEmpty else {
            throw ServingError(field: "model_name", "expected a model's name, came none")
          }
          let target = try resolve(name, String(field: head.pointee.model_version))
          let binding = InputBinding(
            message: message, scan: scan, head: head, signature: signature(target), pool: pool)
          return .success((target, try binding.bind(modelName: name)))
        } catch {
          return .failure(error)
        }
      }
    }
    return try result.get()
  }

  private func decodeHead(
    of message: PooledBuffer, scan: borrowing InferRequestScan,
    in arena: UnsafeMutablePointer<mpb_arena>
  ) throws(ServingError) -> UnsafePointer<Inference__ModelInferRequest> {
    let bytes = message.bytes
    var head = UnsafeRawBufferPointer(rebasing: bytes.prefix(scan.headByteCount))
    var compacted: PooledBuffer?
    if !scan.headIsPrefix {
      guard let buffer = pool.bufferIfAvailable(capacity: scan.headByteCount) else {
        throw .noMemory(byteCount: scan.headByteCount)
      }
      do throws(WireError) {
        buffer.count = try scan.compactHead(
          of: bytes,
          into: UnsafeMutableRawBufferPointer(start: buffer.base, count: buffer.capacity))
      } catch {
        throw ServingError(.invalidArgument, "malformed ModelInferRequest: \(error.text)")
      }
      head = buffer.bytes
      compacted = buffer
    }
    let decoded = withExtendedLifetime(compacted) {
      inference__model_infer_request__unpack(
        &arena.pointee.allocator, head.count,
        head.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    guard let decoded else {
      throw arena.pointee.exhausted
        ? ServingError(
          .invalidArgument,
          "a request without its tensors decodes to at most \(limits.maxDecodedHeadByteCount) bytes"
        )
        : ServingError(.invalidArgument, "malformed ModelInferRequest")
    }
    return UnsafePointer(decoded)
  }
}

extension String {
  /// A string field of a decoded message; the scan has seen that it is UTF-8.
  init(field: UnsafePointer<CChar>?) {
    self = field.map { String(cString: $0) } ?? ""
  }
}
