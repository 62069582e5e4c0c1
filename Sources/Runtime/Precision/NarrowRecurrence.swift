// SPDX-License-Identifier: Apache-2.0
// B samples, T steps, I features, U units. A chunk is some steps of a tile's samples, step by step: (steps, samples, …).

import CKernels

/// A recurrent cell over all steps of a batch of sequences, its products in bf16, its states in single precision.
///
/// Operands and the first three results are those of `Recurrence`.
struct NarrowRecurrence: Operation {
  let base: Recurrence
  var name: String { "bf16_\(base.name)" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    Array(try base.resultTypes(of: operands).prefix(3))
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    base.operationCount(node, in: graph)
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let run = try NarrowRecurrentRun(base, node, into: &program)
    var buffers: [Buffer] = []
    for operand in [0] + (3..<node.operands.count) {
      buffers.append(try program.buffer(node.operands[operand]))
    }
    if base.hasLengths {
      try program.checkIndices(node.operands[base.lengthsOperand], count: run.steps + 1)
    }
    func result(_ index: Int) throws(RuntimeError) -> Buffer? {
      program.isUsed(node.results[index]) ? try program.buffer(node.results[index]) : nil
    }
    let results = [try result(0), try result(1), base.cell.hasCellState ? try result(2) : nil]
    func operand(_ index: Int, _ isThere: Bool) -> Buffer? {
      // The weights are packed and not among the buffers.
      isThere ? buffers[index - 2] : nil
    }
    let place = NarrowRecurrentRun.Place(
      x: buffers[0], bias: buffers[1], recurrentBias: operand(4, base.hasRecurrentBias),
      hidden: operand(base.stateOperand, base.hasState),
      cell: operand(base.stateOperand + 1, base.hasCell),
      lengths: operand(base.lengthsOperand, base.hasLengths), outputs: results[0],
      lastHidden: results[1], lastCell: results[2])
    program.step(
      name, reads: buffers + run.packs, writes: results.compactMap { $0 },
      scratchFloats: run.scratchFloats,
      tiles: { Tiling.count($0, by: NarrowRecurrentRun.rowsPerTile) }
    ) { frame, tile, worker in
      run.run(place, frame, tile, frame.scratch(worker))
    }
  }
}
