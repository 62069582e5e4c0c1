// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A declared shape in the form in which calls are checked against it.
struct ShapePattern: Sendable {
  /// The extents of one row, or of the tensor where the model does not batch; -1: varies.
  let extents: [Int64]
  /// Whether a batch dimension comes before them.
  let isBatched: Bool

  /// Whether `shape` fits, with a first extent of `rows` where batched.
  func matches(_ shape: UnsafeBufferPointer<Int64>, rows: Int) -> Bool {
    let lead = isBatched ? 1 : 0
    guard shape.count == extents.count + lead else { return false }
    if isBatched, shape[0] != Int64(rows) { return false }
    for axis in extents.indices {
      let extent = shape[axis + lead]
      guard extent >= 0, extents[axis] == -1 || extents[axis] == extent else { return false }
    }
    return true
  }
}

/// The framing of `BYTES` tensors: each element is its size as a little-endian uint32, then its
/// bytes.
enum BytesElements {
  /// How many elements `bytes` holds; nil when an element is cut short.
  static func count(in bytes: UnsafeRawBufferPointer) -> Int? {
    var offset = 0
    var count = 0
    while offset < bytes.count {
      guard bytes.count - offset >= 4 else { return nil }
      let size = Int(
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      guard size <= bytes.count - offset - 4 else { return nil }
      offset += 4 + size
      count += 1
    }
    return count
  }
}
