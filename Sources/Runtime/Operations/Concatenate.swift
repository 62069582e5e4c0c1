// SPDX-License-Identifier: Apache-2.0
// Around the axis a tensor is (outer, axis, inner); for one sample of a batch.

import CKernels

extension Graph {
  /// Tensors side by side along an axis.
  ///
  /// - Parameter axis: of the shape of one sample; a negative one counts from the end.
  /// - Throws: `.shapeMismatch` for tensors that differ in more than that axis, `.invalidArgument` for an axis
  ///   that there is not.
  public mutating func concatenate(_ values: [Value], axis: Int) throws(RuntimeError) -> Value {
    try add(Concatenate(axis: axis), values)[0]
  }

  /// The part of a tensor that has these positions along an axis.
  ///
  /// - Parameter axis: of the shape of one sample; a negative one counts from the end.
  /// - Throws: `.invalidArgument` for an axis or a range that there is not.
  public mutating func slice(
    _ x: Value, axis: Int, _ range: Range<Int>
  ) throws(RuntimeError) -> Value {
    try add(Slice(axis: axis, range: range), [x])[0]
  }
}

/// y = the operands along an axis, one after the other.
struct Concatenate: Operation {
  let axis: Int
  var name: String { "concatenate" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    guard let first = operands.first else {
      throw RuntimeError(
        .invalidArgument, "expected at least one tensor", operation: name, field: "values")
    }
    let axis = try resolve(axis, first)
    var extent = 0
    for operand in operands {
      var dimensions = operand.shape.dimensions
      guard dimensions.count == first.shape.rank, operand.datatype == first.datatype,
        operand.isBatched == first.isBatched
      else { throw mismatch(operand, first) }
      let (sum, overflow) = extent.addingReportingOverflow(dimensions[axis])
      dimensions[axis] = first.shape[axis]
      guard !overflow, dimensions == first.shape.dimensions else { throw mismatch(operand, first) }
      extent = sum
    }
    var dimensions = first.shape.dimensions
    dimensions[axis] = extent
    return [TensorType(first.datatype, try Shape(dimensions), isBatched: first.isBatched)]
  }

  private func mismatch(_ operand: TensorType, _ first: TensorType) -> RuntimeError {
    RuntimeError(
      .shapeMismatch, "expected \(first) but for axis \(axis); came \(operand)", operation: name,
      field: "values")
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let result = program.type(of: node.results[0])
    let whole = AxisBlocks(result, axis: try resolve(axis, result))
    let y = try program.buffer(node.results[0])
    var start = 0
    for operand in node.operands {
      let x = try program.buffer(operand)
      let count = program.type(of: operand).shape[whole.axis]
      whole.emitCopy(
        name, part: start..<start + count, between: y, and: x, toPart: false, into: &program)
      start += count
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    var gradients: [Graph.Value?] = []
    var start = 0
    for (operand, isWanted) in zip(node.operands, wanted) {
      let type = graph.type(of: operand)
      let end = start + type.shape[try resolve(axis, type)]
      if let dy = along[0], isWanted {
        gradients.append(try graph.slice(dy, axis: axis, start..<end))
      } else {
        gradients.append(nil)
      }
      start = end
    }
    return gradients
  }
}

/// y = x at some positions of an axis.
struct Slice: Operation {
  let axis: Int
  let range: Range<Int>
  var name: String { "slice" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    let axis = try resolve(axis, x)
    guard range.lowerBound >= 0, range.upperBound <= x.shape[axis] else {
      throw RuntimeError(
        .invalidArgument, "expected a part of 0..<\(x.shape[axis]); came \(range)",
        operation: name, field: "range")
    }
    var dimensions = x.shape.dimensions
    dimensions[axis] = range.count
    return [TensorType(x.datatype, try Shape(dimensions), isBatched: x.isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    whole.emitCopy(name, part: range, between: x, and: y, toPart: true, into: &program)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let operation = SliceGradient(
      axis: axis, range: range, type: graph.type(of: node.operands[0]))
    return [try graph.add(operation, [dy])[0]]
  }
}

/// dx = dy at the positions of the slice, zero elsewhere.
struct SliceGradient: Operation {
  let axis: Int
  let range: Range<Int>
  let type: TensorType
  var name: String { "slice gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(type, "input")
    return [type]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    let isa = program.instructionSet
    let (dy, dx) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    try program.elementwise(
      "slice gradient zeros", node.results[0], from: node.operands, inPlace: false
    ) { frame, range in
      isa.kernels.pointee.fill(frame.floats(dx) + range.lowerBound, 0, range.count)
    }
    whole.emitCopy(name, part: range, between: dx, and: dy, toPart: false, into: &program)
  }
}

extension Operation {
  /// The axis as a position from the front.
  func resolve(_ axis: Int, _ type: TensorType) throws(RuntimeError) -> Int {
    let rank = type.shape.rank
    let position = axis < 0 ? axis + rank : axis
    guard (0..<rank).contains(position) else {
      throw RuntimeError(
        .invalidArgument, "expected an axis of \(type), \(-rank) to \(rank - 1); came \(axis)",
        operation: name, field: "axis")
    }
    return position
  }
}

/// A tensor around one of its axes: contiguous blocks of what lies behind it.
struct AxisBlocks: Sendable {
  let axis: Int
  /// Elements before the axis, of one sample.
  let outer: Int
  let extent: Int
  /// Elements behind the axis.
  let inner: Int
  private let isBatched: Bool
  private let size: Int

  /// Samples that there are of the tensor.
  func samples(batch: Int) -> Int { isBatched ? batch : 1 }

  init(_ type: TensorType, axis: Int) {
    self.axis = axis
    outer = type.shape.dimensions[..<axis].reduce(1, *)
    extent = type.shape[axis]
    inner = type.shape.dimensions[(axis + 1)...].reduce(1, *)
    isBatched = type.isBatched
    size = type.datatype.byteCount ?? 1
  }

  /// Adds a step that copies between a tensor and one that has only some positions of the axis.
  ///
  /// - Parameter toPart: from the whole to the part, or the other way.
  func emitCopy(
    _ name: String, part: Range<Int>, between whole: Buffer, and some: Buffer, toPart: Bool,
    into program: inout ProgramBuilder
  ) {
    let blocks = self
    let bytes = part.count * inner * size
    let rowsPerTile = max(1, Tiling.elements * 4 / max(1, bytes))
    program.step(
      name, reads: [toPart ? whole : some], writes: [toPart ? some : whole],
      tiles: { Tiling.count((blocks.isBatched ? $0 : 1) * blocks.outer, by: rowsPerTile) }
    ) { frame, tile, _ in
      let total = (blocks.isBatched ? frame.batch : 1) * blocks.outer
      for row in Tiling.range(tile, of: rowsPerTile, total: total) {
        let place =
          frame.raw(whole)
          + (row * blocks.extent + part.lowerBound) * blocks.inner * blocks.size
        let (to, from) =
          toPart ? (frame.raw(some) + row * bytes, place) : (place, frame.raw(some) + row * bytes)
        to.copyMemory(from: from, byteCount: bytes)
      }
    }
  }
}
