// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Synchronization

/// Keeps the memory of large messages warm between uses.
///
/// A fresh `malloc` of 600 KB costs more in page faults than all the rest of a request, so freed
/// memory above 32 KB is kept by size class, last in first out, up to a bound. Thread-safe.
public final class BufferPool: Sendable {
  /// Four size classes to each power of two, so at most a quarter of a buffer is unused.
  private static let smallestPooled = 32 << 10
  private static let smallestPooledBits = 15

  /// Free memory; it belongs to nobody, so it may go from thread to thread.
  private struct Block: @unchecked Sendable {
    let memory: UnsafeMutableRawPointer
  }

  private struct Shelf {
    var free: [[Block]] = []
    var retainedByteCount = 0

    mutating func clear() {
      for block in free.joined() { Glibc.free(block.memory) }
      free = []
      retainedByteCount = 0
    }
  }

  private let shelf = Mutex(Shelf())
  private let maxRetainedByteCount: Int

  /// Makes a pool that keeps at most `maxRetainedByteCount` bytes of free memory.
  public init(maxRetainedByteCount: Int = 64 << 20) {
    self.maxRetainedByteCount = maxRetainedByteCount
  }

  /// Free memory that the pool keeps now, in bytes.
  public var retainedByteCount: Int { shelf.withLock { $0.retainedByteCount } }

  /// A buffer of at least `capacity` bytes, empty.
  ///
  /// - Precondition: the system has that much memory; for sizes that a peer names see
  ///   ``bufferIfAvailable(capacity:)``.
  public func buffer(capacity: Int) -> PooledBuffer {
    guard let buffer = bufferIfAvailable(capacity: capacity) else {
      preconditionFailure("no memory for a buffer of \(capacity) bytes")
    }
    return buffer
  }

  /// A buffer of at least `capacity` bytes, empty, or nil where the system has no such memory.
  public func bufferIfAvailable(capacity: Int) -> PooledBuffer? {
    guard let (memory, granted) = take(capacity) else { return nil }
    return PooledBuffer(memory: memory, capacity: granted, pool: self)
  }

  /// The class of a request for `capacity` bytes and its size.
  static func sizeClass(_ capacity: Int) -> (index: Int, byteCount: Int)? {
    guard capacity > smallestPooled, capacity <= 1 << 40 else { return nil }
    let bits = Int.bitWidth - 1 - (capacity - 1).leadingZeroBitCount
    let quarter = 1 << (bits - 2)
    let byteCount = (capacity + quarter - 1) & ~(quarter - 1)
    let index = (bits - smallestPooledBits) * 4 + (byteCount - 1 << bits) / quarter - 1
    return (index, byteCount)
  }

  private func take(_ capacity: Int) -> (UnsafeMutableRawPointer, Int)? {
    guard let (index, byteCount) = BufferPool.sizeClass(capacity) else {
      guard capacity <= BufferPool.smallestPooled, let memory = malloc(max(capacity, 16)) else {
        return nil
      }
      return (memory, max(capacity, 16))
    }
    let warm = shelf.withLock { shelf -> Block? in
      guard index < shelf.free.count, let block = shelf.free[index].popLast() else { return nil }
      shelf.retainedByteCount -= byteCount
      return block
    }
    if let warm { return (warm.memory, byteCount) }
    return aligned_alloc(64, byteCount).map { ($0, byteCount) }
  }

  /// Takes memory back that `take` gave out with this capacity.
  func giveBack(_ memory: UnsafeMutableRawPointer, capacity: Int) {
    guard let (index, byteCount) = BufferPool.sizeClass(capacity) else {
      free(memory)
      return
    }
    let block = Block(memory: memory)
    let kept = shelf.withLock { shelf -> Bool in
      guard shelf.retainedByteCount + byteCount <= maxRetainedByteCount else { return false }
      while shelf.free.count <= index { shelf.free.append([]) }
      shelf.free[index].append(block)
      shelf.retainedByteCount += byteCount
      return true
    }
    if !kept { free(memory) }
  }

  deinit {
    shelf.withLock { $0.clear() }
  }
}
