// SPDX-License-Identifier: Apache-2.0

import CKernels

/// How a value between two operations of a narrow plan is stored.
enum NarrowFormat: Sendable, Hashable {
  case fp32
  case bf16
  case uint8(Quantization)

  var datatype: DataType {
    switch self {
    case .fp32: .fp32
    case .bf16: .bf16
    case .uint8: .uint8
    }
  }

  /// What the kernels call it.
  var code: mk_format {
    let code =
      switch self {
      case .fp32: MK_FORMAT_F32
      case .bf16: MK_FORMAT_BF16
      case .uint8: MK_FORMAT_U8
      }
    return mk_format(code)
  }

  /// One level to one number where there are no levels.
  var quantization: mk_quantization {
    guard case .uint8(let quantization) = self else {
      return mk_quantization(scale: 1, zero_point: 0)
    }
    return mk_quantization(scale: quantization.scale, zero_point: quantization.zeroPoint)
  }

  /// The kernels for products of values of this format.
  func kernels(_ isa: InstructionSet) -> mk_narrow_type {
    if case .bf16 = self { return isa.narrow.pointee.bf16 }
    return isa.narrow.pointee.u8
  }

  /// Values in a word of 32 bits.
  var perWord: Int { 4 / (datatype.byteCount ?? 4) }
}

/// Stores a value in another format.
struct ChangeFormat: Operation {
  let from: NarrowFormat
  let to: NarrowFormat
  var name: String { to == .fp32 ? "dequantize" : "quantize" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [TensorType(to.datatype, operands[0].shape, isBatched: operands[0].isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, from, to) = (program.instructionSet, from, to)
    try program.elementwise(
      name, node.results[0], from: [node.operands[0]], inPlace: false
    ) { frame, range in
      isa.change(
        frame.raw(x), from, at: range.lowerBound, to: frame.raw(y), to, count: range.count)
    }
  }
}

extension InstructionSet {
  /// Copies `count` elements from the element at `start` on, in another format; one of the two is FP32.
  func change(
    _ source: UnsafeRawPointer, _ from: NarrowFormat, at start: Int,
    to destination: UnsafeMutableRawPointer, _ to: NarrowFormat, count: Int
  ) {
    let kernels = narrow.pointee
    switch (from, to) {
    case (.fp32, .bf16):
      kernels.bf16_from_f32(
        destination.assumingMemoryBound(to: UInt16.self) + start,
        source.assumingMemoryBound(to: Float.self) + start, count)
    case (.bf16, .fp32):
      kernels.f32_from_bf16(
        destination.assumingMemoryBound(to: Float.self) + start,
        source.assumingMemoryBound(to: UInt16.self) + start, count)
    case (.fp32, .uint8):
      kernels.u8_from_f32(
        destination.assumingMemoryBound(to: UInt8.self) + start,
        source.assumingMemoryBound(to: Float.self) + start, to.quantization, count)
    case (.uint8, .fp32):
      kernels.f32_from_u8(
        destination.assumingMemoryBound(to: Float.self) + start,
        source.assumingMemoryBound(to: UInt8.self) + start, from.quantization, count)
    default: preconditionFailure("a format changes from FP32 or to it")
    }
  }
}
