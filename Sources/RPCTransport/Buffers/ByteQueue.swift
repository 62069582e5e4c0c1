// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Bytes that are added behind and taken away in front, in one piece of memory that grows.
///
/// A class, so that a connection can take the loop's queue along and leave another in its place.
final class ByteQueue {
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int
  private var start = 0
  private var end = 0

  init(capacity: Int) {
    memory = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
    self.capacity = capacity
  }

  deinit { memory.deallocate() }

  var count: Int { end - start }
  var isEmpty: Bool { end == start }

  /// The bytes that wait; valid until the next change.
  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory + start, count: end - start)
  }

  /// Room for `byteCount` bytes behind the last; they count once ``commit(_:)`` is called.
  func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if capacity - end < byteCount { grow(byteCount) }
    return memory + end
  }

  /// Adds the bytes that were written into the reserved room.
  func commit(_ byteCount: Int) { end += byteCount }

  /// Adds a copy of `bytes`.
  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
    end += bytes.count
  }

  /// Takes bytes away in front.
  func removeFirst(_ byteCount: Int) {
    start += byteCount
    if start == end { removeAll() }
  }

  func removeAll() {
    start = 0
    end = 0
  }

  private func grow(_ byteCount: Int) {
    let larger = max(capacity * 2, count + byteCount)
    let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 64)
    moved.copyMemory(from: memory + start, byteCount: count)
    memory.deallocate()
    memory = moved
    capacity = larger
    end -= start
    start = 0
  }
}
