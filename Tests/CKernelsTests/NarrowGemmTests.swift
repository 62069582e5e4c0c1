// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

/// What becomes of the sums, with everything that may vary.
struct NarrowEpilogue: Sendable {
  var hasBias = false
  var activation = MK_ACTIVATION_NONE
  var residual: Int?
  var accumulates = false
  var format = MK_FORMAT_F32

  static let all: [NarrowEpilogue] = [
    .init(), .init(hasBias: true, activation: MK_ACTIVATION_RELU, format: MK_FORMAT_U8),
    .init(hasBias: true, activation: MK_ACTIVATION_RELU, residual: MK_FORMAT_U8),
    .init(activation: MK_ACTIVATION_TANH, residual: MK_FORMAT_F32, format: MK_FORMAT_BF16),
    .init(residual: MK_FORMAT_BF16, format: MK_FORMAT_U8), .init(hasBias: true, accumulates: true),
  ]

  static let quantization = mk_quantization(scale: 0.031, zero_point: 77)
  static let residualQuantization = mk_quantization(scale: 0.01, zero_point: 120)
}

/// A matrix of packed weights and what the kernels see of it, worked out from the definition.
struct NarrowWeights {
  let type: NarrowType
  let runs: Int
  let length: Int
  let columns: Int
  let weights: Floats
  /// Quantised or rounded, as row-major `weights`.
  let values: [Double]
  let scales: [Float]
  let sums: [Int32]

  init(_ type: NarrowType, runs: Int, length: Int, columns: Int, seed: Int) {
    self.type = type
    self.runs = runs
    self.length = length
    self.columns = columns
    var numbers = Numbers(seed: seed)
    let weights = numbers.array(runs * length * columns)
    // A column of zeros, and one whose largest weight is negative.
    for row in 0..<runs * length where columns > 2 { weights[row * columns + 2] = 0 }
    if !weights.values.isEmpty { weights[0] = -1.5 }
    var values = [Double](repeating: 0, count: weights.count)
    var scales = [Float](repeating: 1, count: columns)
    var sums = [Int32](repeating: 0, count: columns)
    for column in 0..<columns {
      let places = stride(from: column, to: weights.count, by: columns)
      let largest = places.map { abs(weights[$0]) }.max() ?? 0
      if largest > 0 { scales[column] = largest / 127 }
      for place in places {
        switch type {
        case .u8:
          let level = largest > 0 ? weights[place] * (127 / largest) : 0
          values[place] = Double(level.rounded(.toNearestOrEven))
          sums[column] += Int32(values[place])
        case .bf16: values[place] = Double(float(bfloat(weights[place])))
        }
      }
    }
    self.weights = weights
    self.values = values
    self.scales = scales
    self.sums = sums
  }

  /// Packs, and checks what packing says.
  func packed(_ set: NarrowKernels) -> GuardedArray<UInt8> {
    let kernels = type.kernels(set)
    let packed = GuardedArray<UInt8>(
      count: kernels.packed_size(runs, length, columns), repeating: 0xaa)
    let ourScales = Floats(count: columns, repeating: sentinel)
    let ourSums = GuardedArray<Int32>(count: columns, repeating: -1)
    for part in parts(of: columns, step: set.kernels.panel_width) {
      kernels.pack(
        packed.pointer, weights.pointer, runs, length, columns, part.lowerBound, part.upperBound,
        type == .u8 ? ourScales.pointer : nil, type == .u8 ? ourSums.pointer : nil)
    }
    if type == .u8 {
      #expect(ourScales.values == scales, "\(set.name)")
      #expect(ourSums.values == sums, "\(set.name)")
    }
    return packed
  }
}

/// Applies an epilogue to exact sums, in the kernels' own order of single-precision operations.
struct NarrowExpectation {
  let epilogue: NarrowEpilogue
  let bias: Floats
  let residual: GuardedArray<UInt8>
  private let residualValues: [Float]
  let scales: Floats
  let offsets: GuardedArray<Int32>

  /// - Parameter count: of the result's elements.
  init(
    _ epilogue: NarrowEpilogue, _ weights: NarrowWeights, zeroPoint: Int32, count: Int, seed: Int
  ) {
    self.epilogue = epilogue
    var numbers = Numbers(seed: seed)
    bias = numbers.array(weights.columns)
    scales = Floats(weights.scales.map { $0 * 0.02 })
    offsets = GuardedArray(weights.sums.map { -zeroPoint * $0 })
    var bytes: [UInt8] = []
    var values: [Float] = []
    for _ in 0..<count {
      let x = numbers.next()
      switch epilogue.residual {
      case MK_FORMAT_U8:
        let q = quantized(x, NarrowEpilogue.residualQuantization)
        bytes.append(q)
        values.append(Float(Int(q) - 120) * NarrowEpilogue.residualQuantization.scale)
      case MK_FORMAT_BF16:
        withUnsafeBytes(of: bfloat(x)) { bytes += $0 }
        values.append(float(bfloat(x)))
      case MK_FORMAT_F32:
        withUnsafeBytes(of: x) { bytes += $0 }
        values.append(x)
      default: break
      }
    }
    residual = GuardedArray(bytes)
    residualValues = values
  }

  func result(_ type: NarrowType, before: UnsafePointer<Float>?) -> mk_narrow_result {
    mk_narrow_result(
      scales: type == .u8 ? UnsafePointer(scales.pointer) : nil,
      offsets: type == .u8 ? UnsafePointer(offsets.pointer) : nil,
      bias: epilogue.hasBias ? UnsafePointer(bias.pointer) : nil,
      residual: epilogue.residual == nil ? nil : UnsafeRawPointer(residual.pointer),
      residual_format: mk_format(epilogue.residual ?? 0),
      residual_quantization: NarrowEpilogue.residualQuantization, residual_stride: scales.count,
      activation: mk_activation(epilogue.activation), accumulate: epilogue.accumulates ? 1 : 0,
      format: mk_format(epilogue.format), quantization: NarrowEpilogue.quantization)
  }

  /// - Parameter sum: of the products, without the input's zero point in the case of u8.
  func value(_ type: NarrowType, sum: Double, at index: Int, before: Float) -> Float {
    let column = index % scales.count
    var x: Float
    switch type {
    case .u8: x = Float(Int32(sum) + offsets[column]) * scales[column]
    case .bf16: x = Float(sum)
    }
    x += epilogue.hasBias ? bias[column] : 0
    if epilogue.residual != nil { x += residualValues[index] }
    if epilogue.accumulates { x += before }
    return Float(activated(Double(x), mk_activation(epilogue.activation)))
  }

  /// The first difference, described: u8 products with simple epilogues have the same bits everywhere.
  func difference(
    _ type: NarrowType, _ out: GuardedArray<UInt8>, _ sums: [Double], depth: Int
  ) -> String? {
    let isExact = type == .u8 && epilogue.activation <= MK_ACTIVATION_RELU
    let tolerance = isExact ? 0 : 2e-6 * Float(4 + depth)
    for (index, sum) in sums.enumerated() {
      let expected = value(type, sum: sum, at: index, before: 0.5)
      switch epilogue.format {
      case MK_FORMAT_U8:
        let level = Int(quantized(expected, NarrowEpilogue.quantization))
        let near = isExact ? 0 : 1
        if abs(Int(out[index]) - level) > near { return "[\(index)] \(out[index]) != \(level)" }
      case MK_FORMAT_BF16:
        let ours = float(UInt16(out[2 * index]) | UInt16(out[2 * index + 1]) << 8)
        if !(abs(ours - expected) <= tolerance + abs(expected) / 128) {
          return "[\(index)] \(ours) != \(expected)"
        }
      default:
        let ours = out.pointer.withMemoryRebound(to: Float.self, capacity: sums.count) {
          $0[index]
        }
        if !(abs(ours - expected) <= tolerance) { return "[\(index)] \(ours) != \(expected)" }
      }
    }
    return nil
  }

  /// Room for the result.
  func output(count: Int) -> GuardedArray<UInt8> {
    let size = epilogue.format == MK_FORMAT_F32 ? 4 : epilogue.format == MK_FORMAT_BF16 ? 2 : 1
    let out = GuardedArray<UInt8>(count: count * size, repeating: 0)
    guard epilogue.format == MK_FORMAT_F32 else { return out }
    out.pointer.withMemoryRebound(to: Float.self, capacity: count) {
      for i in 0..<count { $0[i] = 0.5 }
    }
    return out
  }
}

@Suite struct NarrowGemmTests {
  /// Around the tile, the panel, the word and the copied strides.
  static let shapes = [
    (0, 5, 3), (1, 1, 1), (1, 33, 17), (2, 7, 5), (3, 64, 40), (4, 8, 9), (5, 16, 8), (13, 65, 33),
    (14, 32, 16), (15, 33, 67), (29, 40, 21), (3, 150, 2048),
  ]

  @Test(arguments: NarrowType.allCases, shapes.indices)
  func agreesWithExactSumsHoweverItIsSplit(type: NarrowType, shape: Int) {
    let (m, n, k) = Self.shapes[shape]
    let epilogue = NarrowEpilogue.all[shape % NarrowEpilogue.all.count]
    let gap = k % 512 == 0 ? 0 : shape % 3
    let a = NarrowArray(type, count: m == 0 ? 0 : (m - 1) * (k + gap) + k, seed: shape)
    let b = NarrowWeights(type, runs: 1, length: k, columns: n, seed: shape + 100)
    let expectation = NarrowExpectation(epilogue, b, zeroPoint: 9, count: m * n, seed: shape)
    var sums: [Double] = []
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        for p in 0..<k { sum += a.values[i * (k + gap) + p] * b.values[p * n + j] }
        sums.append(sum)
      }
    }
    for set in NarrowKernels.all {
      let kernels = type.kernels(set)
      let packed = b.packed(set)
      func run(rows: Int, columns: Int) -> GuardedArray<UInt8> {
        let out = expectation.output(count: m * n)
        var g = mk_narrow_gemm(
          m: m, n: n, k: k, a: a.bytes.pointer, a_stride: k + gap, b: packed.pointer,
          c: out.pointer, c_stride: n, result: expectation.result(type, before: nil))
        let space = GuardedArray<UInt8>(count: kernels.gemm_scratch_size(&g), repeating: 0xff)
        for column in parts(of: n, step: columns) {
          for row in parts(of: m, step: rows) {
            kernels.gemm(
              &g, row.lowerBound, row.upperBound, column.lowerBound, column.upperBound,
              space.pointer)
          }
        }
        return out
      }
      let whole = run(rows: max(1, m), columns: n)
      #expect(expectation.difference(type, whole, sums, depth: k) == nil, "\(set.name)")
      let split = run(rows: 3, columns: set.kernels.panel_width)
      #expect(whole.values == split.values, "\(set.name)")
    }
  }
}
