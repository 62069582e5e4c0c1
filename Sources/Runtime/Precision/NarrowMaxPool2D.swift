// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, outputs N×OH×OW×C.

import CKernels

/// The largest value of each window of narrow images: the order of levels is that of numbers.
struct NarrowMaxPool2D: Operation {
  let window: Window
  let format: NarrowFormat
  var name: String { "max_pool2d" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let shape = try Shape([window.outputHeight, window.outputWidth, window.channels])
    return [TensorType(format.datatype, shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let kernels = format.kernels(program.instructionSet)
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let window = window
    let taps = window.kernelHeight * window.kernelWidth
    let rows = Tiling.rows(
      ofImage: window.outputHeight, workPerRow: window.outputWidth * window.channels * taps,
      work: 4 * Tiling.elements)
    program.step(
      name, reads: [x], writes: [y],
      tiles: { Tiling.count($0 * window.outputHeight, by: rows) }
    ) { frame, tile, _ in
      var shape = window.kernelWindow(images: frame.batch, filters: 0)
      let range = Tiling.range(tile, of: rows, total: frame.batch * window.outputHeight)
      kernels.max_pool(&shape, frame.raw(x), frame.raw(y), range.lowerBound, range.upperBound)
    }
  }
}
