// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// x · scale + offset as FP32, from UINT8, FP16, BF16 or FP32: how pixels enter a network.
  ///
  /// - Throws: `.unsupported` for other data types.
  public mutating func convert(
    _ x: Value, scale: Float = 1, offset: Float = 0
  ) throws(RuntimeError) -> Value {
    try add(Convert(scale: scale, offset: offset), [x])[0]
  }
}

/// y = x · scale + offset.
struct Convert: Operation {
  let scale: Float
  let offset: Float
  var name: String { "convert" }

  /// What it takes.
  private static let types: [DataType] = [.uint8, .fp16, .bf16, .fp32]

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    guard Self.types.contains(operands[0].datatype) else {
      throw RuntimeError(
        .unsupported,
        "expected \(Self.types.map(\.rawValue).joined(separator: ", ")) elements; came"
          + " \(operands[0])", operation: name, field: "input")
    }
    guard scale.isFinite, offset.isFinite else {
      throw RuntimeError(
        .invalidArgument, "expected finite numbers; came scale \(scale), offset \(offset)",
        operation: name, field: "scale")
    }
    return [TensorType(.fp32, operands[0].shape, isBatched: operands[0].isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, scale, offset) = (program.instructionSet, scale, offset)
    let type = program.type(of: node.operands[0]).datatype
    try program.elementwise(
      name, node.results[0], from: [node.operands[0]], inPlace: type == .fp32
    ) { frame, range in
      let (start, count) = (range.lowerBound, range.count)
      let out = frame.floats(y) + start
      switch type {
      case .uint8:
        isa.kernels.pointee.convert_u8(
          out, frame.raw(x).assumingMemoryBound(to: UInt8.self) + start, scale, offset, count)
      case .fp32: isa.kernels.pointee.scale(out, frame.floats(x) + start, scale, offset, count)
      default:
        let halves = frame.raw(x).assumingMemoryBound(to: UInt16.self) + start
        let widen =
          type == .fp16 ? isa.narrow.pointee.f32_from_f16 : isa.narrow.pointee.f32_from_bf16
        widen(out, halves, count)
        isa.kernels.pointee.scale(out, out, scale, offset, count)
      }
    }
  }

  // d(s·x + o)/dx = s
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0], graph.type(of: node.operands[0]).datatype == .fp32 else {
      return [nil]
    }
    return [try graph.add(Convert(scale: scale, offset: 0), [dy])[0]]
  }
}
