// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc
import Runtime

/// How the memory of a slot is divided: the header, the inputs, the outputs.
struct SlotLayout: Sendable, Hashable {
  /// A whole number of pages, as is the next.
  let inputCapacity: Int
  let outputCapacity: Int

  /// Tensors begin at multiples of this, as everywhere.
  static let alignment = 64
  static let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))

  var inputOffset: Int { Int(cs_header_byte_count) }
  var outputOffset: Int { inputOffset + inputCapacity }
  var byteCount: Int { outputOffset + outputCapacity }

  init(inputCapacity: Int, outputCapacity: Int) {
    self.inputCapacity = inputCapacity
    self.outputCapacity = outputCapacity
  }

  /// A slot for inputs of `inputByteCount` bytes together, and whatever outputs are allowed: memory
  /// that nobody touches costs nothing.
  init(inputByteCount: Int, maxOutputByteCount: Int) {
    let least = max(inputByteCount, 1 << 20)
    inputCapacity = 1 << (Int.bitWidth - (least - 1).leadingZeroBitCount)
    // Each output stands alone on its pages, with one behind it that nobody may touch.
    let spare = Int(cs_max_tensor_count) * 3 * Self.pageByteCount
    outputCapacity = Self.roundUp(maxOutputByteCount, Self.pageByteCount) + spare
  }

  static func roundUp(_ value: Int, _ multiple: Int) -> Int {
    (value + multiple - 1) / multiple * multiple
  }
}

/// A mapping of shared memory, until the object goes.
final class SharedMapping: @unchecked Sendable {
  // SAFETY: the address never changes; who reads and writes what is the slot's protocol.
  let memory: UnsafeMutableRawBufferPointer

  /// Nil when there is no address space left.
  init?(descriptor: Int32, byteCount: Int, isWritable: Bool) {
    let protection = PROT_READ | (isWritable ? PROT_WRITE : 0)
    guard byteCount > 0,
      let address = mmap(nil, byteCount, protection, MAP_SHARED, descriptor, 0),
      address != MAP_FAILED
    else { return nil }
    memory = UnsafeMutableRawBufferPointer(start: address, count: byteCount)
  }

  deinit {
    munmap(memory.baseAddress, memory.count)
  }
}
