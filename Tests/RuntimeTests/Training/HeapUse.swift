// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Bytes of the heap in use, of all threads together; `nil` where the C library does not say.
func heapBytesInUse() -> Int? {
  // Glibc's Swift module does not have mallinfo2. It returns a structure of ten words, which the System V
  // ABI for x86-64 (§3.2.3) passes as a pointer in the first argument: so it is called with one.
  typealias Function = @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer
  #if arch(x86_64)
    guard let symbol = dlsym(nil, "mallinfo2") else { return nil }
    let function = unsafeBitCast(symbol, to: Function.self)
    return withUnsafeTemporaryAllocation(of: Int.self, capacity: 10) { words in
      guard let base = words.baseAddress else { return nil }
      _ = function(base)
      // Bytes in use of the arenas (uordblks) and of mappings (hblkhd).
      return words[7] + words[4]
    }
  #else
    return nil
  #endif
}
