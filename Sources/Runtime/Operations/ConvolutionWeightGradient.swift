// SPDX-License-Identifier: Apache-2.0

import CKernels

/// The gradient of a convolution's weights and bias, cut for the pool.
///
/// Small weights: images in chunks of a fixed number, each into a partial gradient, added in order. Large weights,
/// whose partial gradients would not fit in cache: all images, the independent parts of the weights in parallel.
struct ConvolutionWeightGradient {
  let window: Window
  let filters: Int
  let maximumBatch: Int
  let isa: InstructionSet

  /// A chunk's images; fixed, because sums of other chunks have other bits.
  private static let imagesPerChunk = 4
  private static let smallWeights = 128 << 10

  private var weightCount: Int {
    window.kernelHeight * window.kernelWidth * window.channels * filters
  }

  func emit(
    x: Buffer, dy: Buffer, dw: Buffer, db: Buffer?, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    var shape = window.kernelWindow(images: maximumBatch, filters: filters)
    let units = isa.kernels.pointee.conv2d_weight_gradient_units(&shape)
    let scratch = isa.kernels.pointee.conv2d_weight_gradient_scratch_size(&shape)
    if weightCount <= Self.smallWeights {
      try emitChunks(x: x, dy: dy, dw: dw, db: db, units, scratch, into: &program)
    } else {
      emitUnits(x: x, dy: dy, dw: dw, db: db, units, scratch, into: &program)
    }
  }

  private func emitUnits(
    x: Buffer, dy: Buffer, dw: Buffer, db: Buffer?, _ units: Int, _ scratch: Int,
    into program: inout ProgramBuilder
  ) {
    let (isa, window, filters) = (isa, window, filters)
    program.step(
      "conv2d parameter gradient", reads: [x, dy], writes: [dw] + (db.map { [$0] } ?? []),
      scratchFloats: scratch, tiles: { _ in units }
    ) { frame, tile, worker in
      var shape = window.kernelWindow(images: frame.batch, filters: filters)
      isa.kernels.pointee.conv2d_weight_gradient(
        &shape, frame.floats(x), frame.floats(dy), 0, frame.floats(dw),
        db.map { frame.floats($0) }, 0, frame.batch, tile, tile + 1, frame.scratch(worker))
    }
  }

  private func emitChunks(
    x: Buffer, dy: Buffer, dw: Buffer, db: Buffer?, _ units: Int, _ scratch: Int,
    into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, window, filters, weightCount) = (isa, window, filters, weightCount)
    let images = Self.imagesPerChunk
    // A partial gradient is the weights' and then the bias', on cache lines of its own.
    let stride = Tiling.count(weightCount + filters, by: 16) * 16
    let partial = try program.temporary(
      floats: Tiling.count(maximumBatch, by: images) * stride)
    program.step(
      "conv2d parameter gradient", reads: [x, dy], writes: [partial], scratchFloats: scratch,
      tiles: { Tiling.count($0, by: images) }
    ) { frame, tile, worker in
      var shape = window.kernelWindow(images: frame.batch, filters: filters)
      let range = Tiling.range(tile, of: images, total: frame.batch)
      let sums = frame.floats(partial) + tile * stride
      isa.kernels.pointee.conv2d_weight_gradient(
        &shape, frame.floats(x), frame.floats(dy), 0, sums, db == nil ? nil : sums + weightCount,
        range.lowerBound, range.upperBound, 0, units, frame.scratch(worker))
    }
    let columns = 4096
    let tiles = Tiling.count(weightCount, by: columns)
    program.step(
      "conv2d parameter gradient sum", reads: [partial], writes: [dw] + (db.map { [$0] } ?? []),
      tiles: { _ in tiles }
    ) { frame, tile, _ in
      let chunks = Tiling.count(frame.batch, by: images)
      let range = Tiling.range(tile, of: columns, total: weightCount)
      isa.kernels.pointee.column_sums(
        frame.floats(dw) + range.lowerBound, frame.floats(partial) + range.lowerBound, stride,
        chunks, range.count, 0)
      if tile == 0, let db {
        isa.kernels.pointee.column_sums(
          frame.floats(db), frame.floats(partial) + weightCount, stride, chunks, filters, 0)
      }
    }
  }
}
