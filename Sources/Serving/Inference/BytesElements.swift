// SPDX-License-Identifier: Apache-2.0

/// The raw form of a BYTES tensor: each element is a 4-byte little-endian length and that many bytes.
enum BytesElements {
  /// How many elements `bytes` holds; nil when one is cut short.
  static func count(in bytes: UnsafeRawBufferPointer) -> Int? {
    var offset = 0
    var count = 0
    while offset < bytes.count {
      guard let next = end(ofElementAt: offset, in: bytes) else { return nil }
      offset = next
      count += 1
    }
    return count
  }

  /// Where `count` elements from `offset` on end; nil when there are fewer.
  static func end(of count: Int, from offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
    var offset = offset
    for _ in 0..<count {
      guard let next = end(ofElementAt: offset, in: bytes) else { return nil }
      offset = next
    }
    return offset
  }

  private static func end(ofElementAt offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
    guard bytes.count - offset >= 4 else { return nil }
    let size = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    guard Int(size) <= bytes.count - offset - 4 else { return nil }
    return offset + 4 + Int(size)
  }
}
