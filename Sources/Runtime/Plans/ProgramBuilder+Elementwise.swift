// SPDX-License-Identifier: Apache-2.0

import CKernels

extension ProgramBuilder {
  /// Adds a step whose result's elements each depend on the same elements of its operands, in place
  /// where the first operand is not needed any more.
  ///
  /// - Parameter body: computes one flat range of elements.
  mutating func elementwise(
    _ name: String, _ result: Graph.Value, from operands: [Graph.Value], inPlace: Bool = true,
    also others: [Graph.Value] = [],
    _ body: @escaping @Sendable (_ frame: borrowing Frame, _ range: Range<Int>) -> Void
  ) throws(RuntimeError) {
    let output = try buffer(result)
    var reads: [Buffer] = []
    for operand in operands + others { reads.append(try buffer(operand)) }
    let type = type(of: result)
    let perSample = type.shape.elementCount
    let isBatched = type.isBatched
    step(
      name, reads: reads, writes: [output], inPlace: inPlace ? (output, reads[0]) : nil,
      tiles: { Tiling.count(isBatched ? $0 * perSample : perSample, by: Tiling.elements) }
    ) { frame, tile, _ in
      let total = isBatched ? frame.batch * perSample : perSample
      body(frame, Tiling.range(tile, of: Tiling.elements, total: total))
    }
  }

  /// Gives a result the elements of an operand: by aliasing, or by a copy where the result has a place already.
  mutating func forward(
    _ name: String, _ result: Graph.Value, from operand: Graph.Value
  ) throws(RuntimeError) {
    if try alias(result, to: operand) { return }
    let (to, from) = (try buffer(result), try buffer(operand))
    let size = type(of: result).datatype.byteCount ?? 1
    try elementwise(name, result, from: [operand], inPlace: false) { frame, range in
      (frame.raw(to) + range.lowerBound * size).copyMemory(
        from: frame.raw(from) + range.lowerBound * size, byteCount: range.count * size)
    }
  }
}

extension ProgramBuilder {
  /// Adds a step over the rows of a value, its last dimension being the columns; in place where the first
  /// operand is not needed any more.
  mutating func rowwise(
    _ name: String, _ result: Graph.Value, from operands: [Graph.Value],
    _ body:
      @escaping @Sendable (_ frame: borrowing Frame, _ rows: Range<Int>, _ columns: Int) -> Void
  ) throws(RuntimeError) {
    let output = try buffer(result)
    var reads: [Buffer] = []
    for operand in operands { reads.append(try buffer(operand)) }
    let type = type(of: result)
    let columns = max(1, type.shape.innermost)
    let perSample = type.shape.elementCount / columns
    let isBatched = type.isBatched
    let rows = max(1, Tiling.elements / columns)
    step(
      name, reads: reads, writes: [output], inPlace: (output, reads[0]),
      tiles: { Tiling.count(isBatched ? $0 * perSample : perSample, by: rows) }
    ) { frame, tile, _ in
      let total = isBatched ? frame.batch * perSample : perSample
      body(frame, Tiling.range(tile, of: rows, total: total), columns)
    }
  }

  /// Adds a step that divides the sum of one number per sample by the elements that it stands for.
  mutating func mean(
    _ name: String, _ result: Graph.Value, of perSample: Buffer, perSample elements: Int
  ) throws(RuntimeError) {
    let output = try buffer(result)
    let isa = instructionSet
    step("\(name) mean", reads: [perSample], writes: [output], tiles: { _ in 1 }) { frame, _, _ in
      let sum = isa.kernels.pointee.sum(frame.floats(perSample), frame.batch)
      frame.floats(output)[0] = sum / Float(frame.batch * elements)
    }
  }
}
