// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// x · scale + offset as FP32, from UINT8 or FP32: how pixels enter a network.
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

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    guard operands[0].datatype == .uint8 || operands[0].datatype == .fp32 else {
      throw RuntimeError(
        .unsupported, "expected UINT8 or FP32 elements; came \(operands[0])", operation: name,
        field: "input")
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
    let isBytes = program.type(of: node.operands[0]).datatype == .uint8
    try program.elementwise(
      name, node.results[0], from: [node.operands[0]], inPlace: !isBytes
    ) { frame, range in
      let start = range.lowerBound
      if isBytes {
        isa.kernels.pointee.convert_u8(
          frame.floats(y) + start, frame.raw(x).assumingMemoryBound(to: UInt8.self) + start,
          scale, offset, range.count)
      } else {
        isa.kernels.pointee.scale(
          frame.floats(y) + start, frame.floats(x) + start, scale, offset, range.count)
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
