// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An array that ends where an unreadable page begins: reading or writing past its end ends the test run.
final class GuardedArray<Element: BitwiseCopyable> {
  let count: Int
  let pointer: UnsafeMutablePointer<Element>
  private let mapping: UnsafeMutableRawPointer
  private let mappedByteCount: Int

  init(count: Int, repeating value: Element) {
    let page = 4096
    let byteCount = count * MemoryLayout<Element>.stride
    let usable = (byteCount + page - 1) / page * page
    mappedByteCount = usable + page
    guard
      let mapped = mmap(
        nil, mappedByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      mapped != MAP_FAILED, mprotect(mapped + usable, page, PROT_NONE) == 0
    else { preconditionFailure("no memory for a guarded array") }
    mapping = mapped
    self.count = count
    // SAFETY: `byteCount` bytes before the guard page belong to this object until deinit.
    pointer = (mapped + (usable - byteCount)).bindMemory(to: Element.self, capacity: count)
    pointer.initialize(repeating: value, count: count)
  }

  convenience init(_ values: [Element]) {
    guard let first = values.first else {
      self.init(count: 0, repeating: unsafeBitCastZero())
      return
    }
    self.init(count: values.count, repeating: first)
    for (i, value) in values.enumerated() { pointer[i] = value }
  }

  deinit { munmap(mapping, mappedByteCount) }

  var values: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  subscript(_ index: Int) -> Element {
    get { pointer[index] }
    set { pointer[index] = newValue }
  }
}

/// A value of all zero bits, for elements that are never read.
private func unsafeBitCastZero<T: BitwiseCopyable>() -> T {
  withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { buffer in
    // SAFETY: T is bitwise copyable and the memory is its size.
    UnsafeMutableRawBufferPointer(buffer).initializeMemory(as: UInt8.self, repeating: 0)
    return buffer[0]
  }
}

/// Reproducible numbers in [-1, 1) that float32 holds exactly (SplitMix64).
struct Numbers {
  private var state: UInt64

  init(seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Float(Int32(truncatingIfNeeded: (z ^ (z >> 31)) >> 32) >> 8) / Float(1 << 23)
  }

  mutating func array(_ count: Int) -> GuardedArray<Float> {
    let array = GuardedArray<Float>(count: count, repeating: 0)
    for i in 0..<count { array.pointer[i] = next() }
    return array
  }
}

typealias Floats = GuardedArray<Float>

/// Filled into outputs before a call; what is not to be touched must still be it.
let sentinel: Float = -12345.5

func scratch(_ count: Int) -> Floats { Floats(count: count, repeating: .nan) }

/// The first difference beyond `tolerance`, described, or nil.
func difference(_ ours: Floats, _ reference: [Double], tolerance: Double) -> String? {
  guard ours.count == reference.count else { return "\(ours.count) != \(reference.count) elements" }
  for i in 0..<ours.count where !(abs(Double(ours.pointer[i]) - reference[i]) <= tolerance) {
    return "[\(i)] is \(ours.pointer[i]), expected \(reference[i])"
  }
  return nil
}

/// The first element whose bits differ, described, or nil.
func bitDifference(_ a: Floats, _ b: Floats) -> String? {
  for i in 0..<a.count where a.pointer[i].bitPattern != b.pointer[i].bitPattern {
    return "[\(i)] is \(a.pointer[i]) and \(b.pointer[i])"
  }
  return a.count == b.count ? nil : "\(a.count) != \(b.count) elements"
}

/// 0 ..< count cut at multiples of `step`, last part first.
func parts(of count: Int, step: Int) -> [Range<Int>] {
  stride(from: 0, to: count, by: step).reversed().map { $0..<min($0 + step, count) }
}
