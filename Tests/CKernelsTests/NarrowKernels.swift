// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

/// One table of the narrow types; every suite is swept over `all`.
struct NarrowKernels: @unchecked Sendable, CustomTestStringConvertible {
  // SAFETY: a table is immutable and lives as long as the process.
  let pointer: UnsafePointer<mk_narrow_kernels>

  var kernels: mk_narrow_kernels { pointer.pointee }
  var name: String { String(cString: kernels.name) }
  var testDescription: String { name }

  /// Every table that runs on this CPU, best first.
  static let all: [NarrowKernels] = {
    let count = mk_available_narrow(nil, 0)
    var tables = [UnsafePointer<mk_narrow_kernels>?](repeating: nil, count: count)
    return tables.withUnsafeMutableBufferPointer { buffer in
      buffer.withMemoryRebound(to: UnsafePointer<mk_narrow_kernels>.self) { rebound in
        _ = mk_available_narrow(rebound.baseAddress, count)
        return rebound.map { NarrowKernels(pointer: $0) }
      }
    }
  }()
}

/// u8 or bf16, with what tells them apart in a test.
enum NarrowType: Sendable, CaseIterable {
  case u8
  case bf16

  func kernels(_ set: NarrowKernels) -> mk_narrow_type {
    self == .u8 ? set.kernels.u8 : set.kernels.bf16
  }

  var size: Int { self == .u8 ? 1 : 2 }
}

/// The upper half of a float, rounded to nearest even: the definition, bit by bit.
func bfloat(_ x: Float) -> UInt16 {
  if x.isNaN { return UInt16(x.bitPattern >> 16) | 0x40 }
  let below = UInt16(truncatingIfNeeded: x.bitPattern >> 16)
  let rest = x.bitPattern & 0xffff
  return rest > 0x8000 || (rest == 0x8000 && below & 1 == 1) ? below &+ 1 : below
}

func float(_ x: UInt16) -> Float { Float(bitPattern: UInt32(x) << 16) }

/// x / scale + zero_point, rounded and saturated as the kernels do.
func quantized(_ x: Float, _ q: mk_quantization) -> UInt8 {
  let level = x * (1 / q.scale) + Float(q.zero_point)
  return level > 0 ? UInt8(min(level, 255).rounded(.toNearestOrEven)) : 0
}

/// Elements of a narrow type against an unreadable page, and the numbers that they stand for.
struct NarrowArray {
  let bytes: GuardedArray<UInt8>
  let values: [Double]
  let levels: [Int]

  /// u8: levels around everything that a byte holds; bf16: numbers in [-1, 1).
  init(_ type: NarrowType, count: Int, seed: Int) {
    var numbers = Numbers(seed: seed)
    bytes = GuardedArray(count: count * type.size, repeating: 0)
    var values: [Double] = []
    var levels: [Int] = []
    for i in 0..<count {
      let number = numbers.next()
      switch type {
      case .u8:
        let level = Int((number + 1) * 127.99)
        bytes[i] = UInt8(level)
        levels.append(level)
        values.append(Double(level))
      case .bf16:
        let half = bfloat(number)
        bytes[2 * i] = UInt8(half & 0xff)
        bytes[2 * i + 1] = UInt8(half >> 8)
        levels.append(0)
        values.append(Double(float(half)))
      }
    }
    self.values = values
    self.levels = levels
  }
}

@Suite struct NarrowSelectionTests {
  @Test func everyTableOfCKernelsHasOneThatUsesNoMoreThanIt() {
    for set in InstructionSet.all {
      let name = String(cString: mk_select_narrow(set.pointer).pointee.name)
      #expect(name.hasPrefix(set.name))
    }
    #expect(mk_select_narrow(InstructionSet.all[0].pointer) == NarrowKernels.all[0].pointer)
  }

  @Test func scalarIsAlwaysAvailableAndLast() throws {
    #expect(try #require(NarrowKernels.all.last).name == "scalar")
    #expect(mk_available_narrow(nil, 0) == NarrowKernels.all.count)
  }
}

@Suite struct NarrowConversionTests {
  /// Every exponent, ties, subnormals, the ends of the range, infinities and NaN.
  static let samples: [Float] = {
    var samples: [Float] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude,
      65504, 65519.99, 65520, -65520, 6.1035156e-5, 6.0975552e-5, 5.9604645e-8, 2.9802322e-8,
      2.9802326e-8, 1.00390625, 1.01171875,
    ]
    var numbers = Numbers(seed: 3)
    for exponent in stride(from: UInt32(0), to: 255, by: 3) {
      for _ in 0..<4 {
        let bits = exponent << 23 | UInt32(abs(numbers.next()) * 8_388_607)
        samples.append(Float(bitPattern: bits))
        samples.append(-Float(bitPattern: bits & 0xffff_e000 | 0x1000))
      }
    }
    return samples
  }()

  @Test(arguments: NarrowKernels.all)
  func halvesAreRoundedToNearestEven(set: NarrowKernels) {
    let x = GuardedArray(Self.samples)
    let half = GuardedArray<UInt16>(count: x.count, repeating: 7)
    let back = Floats(count: x.count, repeating: sentinel)
    set.kernels.bf16_from_f32(half.pointer, x.pointer, x.count)
    set.kernels.f32_from_bf16(back.pointer, half.pointer, x.count)
    for i in 0..<x.count {
      #expect(half[i] == bfloat(x[i]), "bf16 of \(x[i])")
      #expect(back[i].bitPattern == float(half[i]).bitPattern)
    }
  }

  @Test(arguments: NarrowKernels.all)
  func halfPrecisionIsIEEE(set: NarrowKernels) {
    let x = GuardedArray(Self.samples)
    let half = GuardedArray<UInt16>(count: x.count, repeating: 7)
    set.kernels.f16_from_f32(half.pointer, x.pointer, x.count)
    for i in 0..<x.count {
      let expected = Float16(x[i])
      if expected.isNaN {
        #expect(Float16(bitPattern: half[i]).isNaN)
      } else {
        #expect(half[i] == expected.bitPattern, "fp16 of \(x[i])")
      }
    }
    let all = GuardedArray((0..<UInt16.max).filter { !Float16(bitPattern: $0).isNaN })
    let wide = Floats(count: all.count, repeating: sentinel)
    set.kernels.f32_from_f16(wide.pointer, all.pointer, all.count)
    let wrong = (0..<all.count).first { wide[$0] != Float(Float16(bitPattern: all[$0])) }
    #expect(wrong == nil)
  }

  @Test(arguments: NarrowKernels.all)
  func bytesAreRoundedAndSaturated(set: NarrowKernels) {
    let q = mk_quantization(scale: 0.25, zero_point: 40)
    let x = GuardedArray<Float>(
      [-1000, -10.1, -10, -0.125, 0, 0.1, 0.125, 0.375, 0.38, 53.7, 53.75, 54, 9e9, .infinity]
        + (0..<90).map { Float($0) * 0.77 - 11 })
    let bytes = GuardedArray<UInt8>(count: x.count, repeating: 1)
    let back = Floats(count: x.count, repeating: sentinel)
    set.kernels.u8_from_f32(bytes.pointer, x.pointer, q, x.count)
    set.kernels.f32_from_u8(back.pointer, bytes.pointer, q, x.count)
    for i in 0..<x.count {
      #expect(bytes[i] == quantized(x[i], q), "\(x[i])")
      #expect(back[i] == Float(Int(bytes[i]) - 40) * 0.25)
    }
    let nan = GuardedArray<Float>([.nan])
    set.kernels.u8_from_f32(bytes.pointer, nan.pointer, q, 1)
    #expect(bytes[0] == 0)
  }

  @Test(arguments: NarrowKernels.all)
  func calibrationSeesFiniteNumbersOnly(set: NarrowKernels) {
    let x = GuardedArray<Float>([1, -3, .nan, .infinity, 2.5, -.infinity, 0])
    var (low, high): (Float, Float) = (0, 0)
    set.kernels.range(&low, &high, x.pointer, x.count)
    #expect(low == -3 && high == 2.5)
    var counts = [UInt64](repeating: 0, count: 4)
    set.kernels.histogram(&counts, 4, x.pointer, -3, 4 / 5.5, x.count)
    #expect(counts == [3, 0, 2, 2])
  }
}
