// SPDX-License-Identifier: Apache-2.0
// Legend as in SlidingConvolution.swift.

import CKernels

/// dx: every output pixel's gradient spread over the pixels under its taps.
struct SlidingInputGradient: Operation {
  let window: SlidingWindow
  var name: String { "conv2d input gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [try window.inputType]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (window, isa) = (window, program.instructionSet)
    let (dy, w) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dx = try program.buffer(node.results[0])
    if window.isDepthwise {
      let height = window.window.height
      let rows = Tiling.rows(
        ofImage: height, workPerRow: window.window.width * window.patchCount * window.filters,
        work: 8 * Tiling.elements)
      program.step(
        "depthwise conv2d input gradient", reads: [dy, w], writes: [dx],
        tiles: { Tiling.count($0 * height, by: rows) }
      ) { frame, tile, _ in
        var shape = window.kernelWindow(images: frame.batch)
        let range = Tiling.range(tile, of: rows, total: frame.batch * height)
        isa.kernels.pointee.depthwise_data_gradient(
          &shape, window.dilation, frame.floats(dy), frame.floats(w), frame.floats(dx),
          range.lowerBound, range.upperBound)
      }
      return
    }
    let rows = window.rowsPerBlock
    let height = window.window.outputHeight
    let (width, depth) = (window.window.outputWidth, window.patchCount)
    let (filters, perGroup) = (window.filters, window.filtersPerGroup)
    let patches = Tiling.count(rows * width * depth, by: 16) * 16
    program.step(
      name, reads: [dy, w], writes: [dx],
      scratchFloats: patches
        + isa.productScratch(
          m: rows * width, n: depth, k: perGroup, aRowStride: filters, aColumnStride: 1,
          bForm: MK_OPERAND_TRANSPOSED, bStride: filters),
      tiles: { $0 }
    ) { frame, image, worker in
      let scratch = frame.scratch(worker)
      let out = frame.floats(dx) + image * window.inputCount
      isa.kernels.pointee.fill(out, 0, window.inputCount)
      for block in 0..<Tiling.count(height, by: rows) {
        let range = Tiling.range(block, of: rows, total: height)
        let pixels = range.count * width
        let source =
          frame.floats(dy) + image * window.outputCount + range.lowerBound * width * filters
        for group in 0..<window.groups {
          isa.multiply(
            m: pixels, n: depth, k: perGroup, a: source + group * perGroup, aRowStride: filters,
            aColumnStride: 1, b: frame.floats(w) + group * perGroup, form: MK_OPERAND_TRANSPOSED,
            bStride: filters, into: scratch, (0..<pixels, 0..<depth), scratch + patches)
          window.forEachTap(rows: range, group: group) { patch, pixel, channels in
            guard let pixel else { return }
            for channel in 0..<channels { out[pixel + channel] += scratch[patch + channel] }
          }
        }
      }
    }
  }
}

/// dw: what lay under the taps times the gradients of the outputs; db = Σ dy.
///
/// Images in chunks of a fixed number, each into a partial gradient, added in order.
struct SlidingParameterGradient: Operation {
  let window: SlidingWindow
  let hasBias: Bool
  var name: String { "conv2d parameter gradient" }

  private static let imagesPerChunk = 4

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let weights = TensorType(.fp32, try window.weightShape, isBatched: false)
    let bias = TensorType(.fp32, try Shape([window.filters]), isBatched: false)
    return hasBias ? [weights, bias] : [weights]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (window, isa) = (window, program.instructionSet)
    let (x, dy) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dw = try program.buffer(node.results[0])
    let db = hasBias ? try program.buffer(node.results[1]) : nil
    let weightCount = window.patchCount * window.filters
    let filters = window.filters
    let images = Self.imagesPerChunk
    let stride = Tiling.count(weightCount + filters, by: 16) * 16
    let chunks = Tiling.count(program.maximumBatch, by: images)
    let (partialCount, overflow) = chunks.multipliedReportingOverflow(by: stride)
    guard !overflow else {
      throw RuntimeError(.tooLarge, "partial gradients do not fit in 64 bits", operation: name)
    }
    let partial = try program.temporary(floats: partialCount)
    let patches = window.isDepthwise ? 0 : patchFloats
    program.step(
      name, reads: [x, dy], writes: [partial],
      scratchFloats: window.isDepthwise ? 0 : patches + productScratch(isa),
      tiles: { Tiling.count($0, by: images) }
    ) { frame, tile, worker in
      let range = Tiling.range(tile, of: images, total: frame.batch)
      let sums = frame.floats(partial) + tile * stride
      if window.isDepthwise {
        var shape = window.kernelWindow(images: frame.batch)
        isa.kernels.pointee.depthwise_weight_gradient(
          &shape, window.dilation, frame.floats(x), frame.floats(dy), sums, sums + weightCount,
          range.lowerBound, range.upperBound)
        return
      }
      let scratch = frame.scratch(worker)
      isa.kernels.pointee.fill(sums, 0, weightCount)
      for image in range {
        window.addWeightGradient(
          isa, x: frame.floats(x) + image * window.inputCount,
          dy: frame.floats(dy) + image * window.outputCount, into: sums, patches: scratch,
          scratch + patches)
      }
      isa.kernels.pointee.column_sums(
        sums + weightCount, frame.floats(dy) + range.lowerBound * window.outputCount, filters,
        range.count * (window.outputCount / filters), filters, 0)
    }
    let columns = 4096
    program.step(
      "\(name) sum", reads: [partial], writes: [dw] + (db.map { [$0] } ?? []),
      tiles: { _ in Tiling.count(weightCount, by: columns) }
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

  private var patchFloats: Int {
    Tiling.count(window.rowsPerBlock * window.window.outputWidth * window.patchCount, by: 16) * 16
  }

  private func productScratch(_ isa: InstructionSet) -> Int {
    isa.productScratch(
      m: window.patchCount, n: window.filtersPerGroup,
      k: window.rowsPerBlock * window.window.outputWidth, aRowStride: 1,
      aColumnStride: window.patchCount, bForm: MK_OPERAND_ROWS, bStride: window.filters)
  }
}

extension SlidingWindow {
  /// Adds one image's part of the weights' gradient.
  fileprivate func addWeightGradient(
    _ isa: InstructionSet, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Float>, patches: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (height, width) = (window.outputHeight, window.outputWidth)
    for block in 0..<Tiling.count(height, by: rowsPerBlock) {
      let range = Tiling.range(block, of: rowsPerBlock, total: height)
      for group in 0..<groups {
        gather(rows: range, group: group, from: x, into: patches)
        isa.multiply(
          m: patchCount, n: filtersPerGroup, k: range.count * width, a: patches, aRowStride: 1,
          aColumnStride: patchCount,
          b: dy + range.lowerBound * width * filters + group * filtersPerGroup,
          form: MK_OPERAND_ROWS, bStride: filters, into: sums + group * filtersPerGroup,
          cStride: filters, accumulates: true, (0..<patchCount, 0..<filtersPerGroup), scratch)
      }
    }
  }
}
