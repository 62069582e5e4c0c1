// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Comparisons of header bytes; `elementsEqual` goes byte by byte and shows in profiles.
extension UnsafeRawBufferPointer {
  /// Whether these are the bytes of a literal.
  func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && starts(with: text)
  }

  /// Whether these bytes begin with those of a literal.
  func starts(with text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount, let base = baseAddress else {
      return text.utf8CodeUnitCount == 0
    }
    return memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  /// Whether these bytes end with those of a literal.
  func ends(with text: StaticString) -> Bool {
    let length = text.utf8CodeUnitCount
    return count >= length && UnsafeRawBufferPointer(rebasing: suffix(length)).equals(text)
  }

  /// Whether these are the bytes of an array.
  func equals(_ bytes: [UInt8]) -> Bool {
    guard count == bytes.count else { return false }
    return bytes.withUnsafeBytes { other in
      guard let base = baseAddress, let otherBase = other.baseAddress else { return true }
      return memcmp(base, otherBase, count) == 0
    }
  }
}
