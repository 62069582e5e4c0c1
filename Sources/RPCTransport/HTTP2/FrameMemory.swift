// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2
internal import Glibc

/// The memory of a loop's HTTP/2 sessions: what a stream frees, the next one gets.
///
/// nghttp2 takes a dozen small pieces of memory for each call. They come from one list for each size
/// here, without a lock and without a search. Loop only, as sessions are.
final class FrameMemory {
  /// Before each piece.
  private struct Header {
    /// What the piece holds, in bytes.
    var capacity: Int
    /// In a free piece the next of its list.
    var next: UnsafeMutableRawPointer?
  }

  private struct List {
    var first: UnsafeMutableRawPointer?
    var count = 0
  }

  /// Bytes of the smallest pieces; each size is twice the one before.
  private static let smallestCapacity = 32
  /// 32 bytes to 2 KB; larger pieces are rare and not kept.
  private static let sizeCount = 7
  /// Free pieces that a list keeps.
  private static let maxFreePieces = 1024
  /// A multiple of every alignment that `malloc` promises.
  private static let headerByteCount = 16

  private let lists: UnsafeMutablePointer<List>

  init() {
    lists = .allocate(capacity: Self.sizeCount)
    lists.initialize(repeating: List(), count: Self.sizeCount)
  }

  deinit {
    for size in 0..<Self.sizeCount {
      while let piece = lists[size].first {
        lists[size].first = piece.load(as: Header.self).next
        Glibc.free(piece)
      }
    }
    lists.deallocate()
  }

  /// The functions as nghttp2 calls them; valid while this object lives.
  var functions: nghttp2_mem {
    nghttp2_mem(
      mem_user_data: UnsafeMutableRawPointer(lists),
      malloc: { size, lists in FrameMemory.take(size, lists) },
      free: { memory, lists in FrameMemory.giveBack(memory, lists) },
      calloc: { count, size, lists in
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, let memory = FrameMemory.take(bytes, lists) else { return nil }
        return memset(memory, 0, bytes)
      },
      realloc: { memory, size, lists in
        guard let memory else { return FrameMemory.take(size, lists) }
        let capacity = (memory - FrameMemory.headerByteCount).load(as: Header.self).capacity
        guard size > capacity else { return memory }
        guard let larger = FrameMemory.take(size, lists) else { return nil }
        memcpy(larger, memory, capacity)
        FrameMemory.giveBack(memory, lists)
        return larger
      })
  }

  /// The list of pieces of at least `byteCount` bytes; `sizeCount` or more where there is none.
  private static func size(for byteCount: Int) -> Int {
    guard byteCount > smallestCapacity else { return 0 }
    return Int.bitWidth - (byteCount - 1).leadingZeroBitCount
      - smallestCapacity.trailingZeroBitCount
  }

  private static func take(
    _ byteCount: Int, _ lists: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    guard byteCount >= 0, byteCount <= Int.max / 2 else { return nil }
    let size = size(for: byteCount)
    var capacity = byteCount
    if size < sizeCount, let lists = lists?.assumingMemoryBound(to: List.self) {
      if let piece = lists[size].first {
        lists[size].first = piece.load(as: Header.self).next
        lists[size].count -= 1
        return piece + headerByteCount
      }
      capacity = smallestCapacity << size
    }
    guard let piece = Glibc.malloc(headerByteCount + capacity) else { return nil }
    piece.storeBytes(of: Header(capacity: capacity), as: Header.self)
    return piece + headerByteCount
  }

  private static func giveBack(
    _ memory: UnsafeMutableRawPointer?, _ lists: UnsafeMutableRawPointer?
  ) {
    guard let memory else { return }
    let piece = memory - headerByteCount
    let capacity = piece.load(as: Header.self).capacity
    let size = size(for: capacity)
    guard size < sizeCount, capacity == smallestCapacity << size,
      let lists = lists?.assumingMemoryBound(to: List.self), lists[size].count < maxFreePieces
    else { return Glibc.free(piece) }
    piece.storeBytes(of: Header(capacity: capacity, next: lists[size].first), as: Header.self)
    lists[size].first = piece
    lists[size].count += 1
  }
}
