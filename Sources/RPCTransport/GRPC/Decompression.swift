// SPDX-License-Identifier: Apache-2.0
internal import CZlib
internal import Synchronization

/// Bytes of decompressed messages that one connection has in use.
///
/// A kilobyte can become a megabyte, so what a peer sends says nothing of what it costs; this does.
/// Buffers give back what they took when they go, on any thread.
final class DecompressionBudget: Sendable {
  private let limit: Int
  private let taken = Atomic(0)

  init(limit: Int) { self.limit = limit }

  /// Takes bytes; false where that would be more than the limit.
  func take(_ count: Int) -> Bool {
    let (_, sum) = taken.add(count, ordering: .relaxed)
    if sum <= limit { return true }
    giveBack(count)
    return false
  }

  func giveBack(_ count: Int) { taken.subtract(count, ordering: .relaxed) }

  /// Bytes in use.
  var byteCount: Int { taken.load(ordering: .relaxed) }
}

/// One message that is being decompressed, by steps.
///
/// The result is limited as it grows: memory is taken in doubling steps, each asked of the budget
/// first. One thread at a time works on it, handed over through a queue.
final class Decompression: @unchecked Sendable {
  /// What a step came to.
  enum Step {
    /// There is more to do.
    case more
    case done(PooledBuffer)
    case failure(Status)
  }

  private let input: PooledBuffer
  private let limit: Int
  private let pool: BufferPool
  private let budget: DecompressionBudget
  // On the heap, because zlib's state points back at it.
  private let stream: UnsafeMutablePointer<z_stream>
  private var isReady: Bool
  private var output: PooledBuffer?

  /// The first piece of memory is this large, or four times the input.
  private static let smallestOutput = 4 << 10

  /// - Parameter limit: the message may be this long, in bytes.
  init(
    _ input: PooledBuffer, _ encoding: MessageEncoding, limit: Int, pool: BufferPool,
    budget: DecompressionBudget
  ) {
    self.input = input
    // No prefix can name more; and one more than the limit has to be a number.
    self.limit = min(limit, Int(UInt32.max))
    self.pool = pool
    self.budget = budget
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // zlib's manual, inflateInit2: 15 is the largest window, 16 more means a gzip header.
    isReady = cz_inflate_init(stream, encoding == .gzip ? 15 + 16 : 15) == Z_OK
    stream.pointee.next_in = input.base.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(clamping: input.count)
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Decompresses until the message is complete or about `byteCount` more bytes have come out.
  func run(atMost byteCount: Int) -> Step {
    guard isReady else { return .failure(.noMemoryToDecompress) }
    var left = byteCount
    while left > 0 {
      guard let output = outputWithRoom() else { return .failure(refusal) }
      let room = min(output.capacity - output.count, limit + 1 - output.count, left)
      stream.pointee.next_out = (output.base + output.count).assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(clamping: room)
      let result = inflate(stream, Z_NO_FLUSH)
      let produced = Int(UInt32(clamping: room) - stream.pointee.avail_out)
      output.count += produced
      left -= produced
      guard output.count <= limit else { return .failure(.decompressedTooLarge(limit)) }
      switch result {
      case Z_STREAM_END:
        guard stream.pointee.avail_in == 0 else { return .failure(.notDecompressible) }
        return .done(output)
      case Z_OK where produced > 0 || stream.pointee.avail_in > 0: continue
      case Z_MEM_ERROR: return .failure(.noMemoryToDecompress)
      default: return .failure(.notDecompressible)
      }
    }
    return .more
  }

  /// Why there is no room: the message is too long, the connection's share is used up, or the
  /// system has no memory.
  private var refusal: Status {
    if let output, output.count > limit { return .decompressedTooLarge(limit) }
    return .noMemoryToDecompress
  }

  private func outputWithRoom() -> PooledBuffer? {
    if let output, output.count < output.capacity { return output }
    let wanted = (output?.capacity).map { $0 * 2 } ?? max(input.count * 4, Self.smallestOutput)
    // One more than the limit, to see that a message is longer.
    guard let larger = budgetedBuffer(min(wanted, limit + 1)) else { return nil }
    if let output { larger.append(output.bytes) }
    output = larger
    return larger
  }

  private func budgetedBuffer(_ capacity: Int) -> PooledBuffer? {
    // Before it is written to, memory is a range of addresses only.
    guard let buffer = pool.bufferIfAvailable(capacity: capacity), budget.take(buffer.capacity)
    else { return nil }
    buffer.isCounted(by: budget)
    return buffer
  }
}

extension Status {
  fileprivate static func decompressedTooLarge(_ limit: Int) -> Status {
    Status(
      .resourceExhausted, "the decompressed message has more than the \(limit) bytes accepted")
  }

  fileprivate static let noMemoryToDecompress = Status(
    .resourceExhausted, "no memory for the decompressed message")

  fileprivate static let notDecompressible = Status(
    .internal, "a message is not what its grpc-encoding says")
}
