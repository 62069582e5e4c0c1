// SPDX-License-Identifier: Apache-2.0

/// Lays buffers with known lifetimes into one arena, buffers that never live together over each other.
///
/// Greedy by size: the largest first, each at the lowest offset where it overlaps no buffer that lives at
/// the same time (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, §5.2).
struct MemoryPlanner {
  /// A buffer's size, and the first and last step that uses it.
  struct Request {
    var byteCount: Int
    var lifetime: ClosedRange<Int>
  }

  /// A cache line, which is also the widest vector.
  static let alignment = 64

  /// Chooses offsets; a function of the requests only.
  ///
  /// - Throws: `.tooLarge` when the arena's size overflows.
  static func plan(
    _ requests: [Request]
  ) throws(RuntimeError) -> (offsets: [Int], byteCount: Int) {
    var offsets = [Int](repeating: 0, count: requests.count)
    var placed: [(range: Range<Int>, lifetime: ClosedRange<Int>)] = []
    let order = requests.indices.sorted {
      (requests[$1].byteCount, $0) < (requests[$0].byteCount, $1)
    }
    var total = 0
    for index in order {
      let request = requests[index]
      let size = try padded(request.byteCount)
      let living = placed.filter { $0.lifetime.overlaps(request.lifetime) }
        .map { $0.range }.sorted { $0.lowerBound < $1.lowerBound }
      var offset = 0
      for range in living {
        if range.lowerBound >= offset, range.lowerBound - offset >= size { break }
        offset = max(offset, range.upperBound)
      }
      let (end, overflow) = offset.addingReportingOverflow(size)
      guard !overflow else { throw RuntimeError(.tooLarge, "the arena does not fit in 64 bits") }
      offsets[index] = offset
      placed.append((offset..<end, request.lifetime))
      total = max(total, end)
    }
    return (offsets, total)
  }

  /// `byteCount` up to the next multiple of the alignment, and some slack: kernels load whole vectors
  /// at a row's end.
  static func padded(_ byteCount: Int) throws(RuntimeError) -> Int {
    let (sum, overflow) = byteCount.addingReportingOverflow(2 * alignment - 1)
    guard !overflow else { throw RuntimeError(.tooLarge, "a buffer does not fit in 64 bits") }
    return sum / alignment * alignment
  }
}
