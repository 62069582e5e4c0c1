// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, weights KH×KW×(C/G)×O, outputs N×OH×OW×O; P numbers in a patch, KH·KW·C/G.

import CKernels

/// How a convolution with spread taps and groups of channels slides; `Window` is that of the area it covers.
struct SlidingWindow: Sendable, Hashable {
  /// Its kernel is the area that the taps span.
  let window: Window
  let kernelHeight: Int
  let kernelWidth: Int
  /// Pixels from tap to tap.
  let dilation: Int
  let groups: Int
  /// O.
  let filters: Int

  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  init(
    _ operation: String, over x: TensorType, weights: TensorType, stride: Int, padding: Padding,
    dilation: Int, groups: Int
  ) throws(RuntimeError) {
    guard weights.datatype == .fp32, !weights.isBatched, weights.shape.rank == 4,
      weights.shape.elementCount > 0
    else {
      throw RuntimeError(
        .shapeMismatch,
        "expected FP32 [height, width, channels / groups, filters]; came \(weights)",
        operation: operation, field: "weights")
    }
    guard dilation > 0 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(dilation)", operation: operation,
        field: "dilation")
    }
    func span(_ taps: Int) throws(RuntimeError) -> Int {
      let (distance, overflow) = (taps - 1).multipliedReportingOverflow(by: dilation)
      guard !overflow, distance < Int.max else {
        throw RuntimeError(
          .tooLarge, "\(taps) taps \(dilation) apart do not fit in 64 bits", operation: operation,
          field: "dilation")
      }
      return distance + 1
    }
    window = try Window(
      over: x, kernel: (span(weights.shape[0]), span(weights.shape[1])), stride: stride,
      padding: padding)
    guard groups > 0, window.channels % groups == 0, weights.shape[3] % groups == 0 else {
      throw RuntimeError(
        .invalidArgument,
        "expected a divisor of \(window.channels) channels and \(weights.shape[3]) filters; came"
          + " \(groups)",
        operation: operation, field: "groups")
    }
    guard weights.shape[2] == window.channels / groups else {
      throw RuntimeError(
        .shapeMismatch,
        "expected weights of \(window.channels / groups) channels; came \(weights)",
        operation: operation, field: "weights")
    }
    (kernelHeight, kernelWidth) = (weights.shape[0], weights.shape[1])
    self.dilation = dilation
    self.groups = groups
    filters = weights.shape[3]
  }

  /// Whether every channel has one filter of its own.
  var isDepthwise: Bool { groups == window.channels && filters == groups && groups > 1 }

  var outputShape: Shape {
    get throws(RuntimeError) { try Shape([window.outputHeight, window.outputWidth, filters]) }
  }

  var inputType: TensorType {
    get throws(RuntimeError) {
      TensorType(
        .fp32, try Shape([window.height, window.width, window.channels]), isBatched: true)
    }
  }

  var weightShape: Shape {
    get throws(RuntimeError) {
      try Shape([kernelHeight, kernelWidth, window.channels / groups, filters])
    }
  }

  /// P.
  var patchCount: Int { kernelHeight * kernelWidth * (window.channels / groups) }
  var inputCount: Int { window.height * window.width * window.channels }
  var outputCount: Int { window.outputHeight * window.outputWidth * filters }
  var filtersPerGroup: Int { filters / groups }

  /// Output rows whose patches are made at once: they stay in the second-level cache.
  var rowsPerBlock: Int {
    min(
      window.outputHeight,
      max(1, 2 * Tiling.elements / max(1, window.outputWidth * patchCount)))
  }

  /// For the kernels of depthwise convolutions.
  func kernelWindow(images: Int) -> mk_window {
    var shape = window.kernelWindow(images: images, filters: window.channels)
    (shape.kernel_h, shape.kernel_w) = (kernelHeight, kernelWidth)
    return shape
  }

  /// Calls `body` for every tap with what lies under it in some output rows of one image: where pixels begin in the patches
  /// and in the image, `nil` outside it.
  func forEachTap(
    rows: Range<Int>, group: Int, _ body: (_ patch: Int, _ pixel: Int?, _ channels: Int) -> Void
  ) {
    let channels = window.channels / groups
    var patch = 0
    for row in rows {
      for column in 0..<window.outputWidth {
        for tapRow in 0..<kernelHeight {
          let y = row * window.stride + tapRow * dilation - window.top
          for tapColumn in 0..<kernelWidth {
            let x = column * window.stride + tapColumn * dilation - window.left
            let isInside = y >= 0 && y < window.height && x >= 0 && x < window.width
            let pixel = (y * window.width + x) * window.channels + group * channels
            body(patch, isInside ? pixel : nil, channels)
            patch += channels
          }
        }
      }
    }
  }
}

extension Graph {
  /// Cross-correlates images with filters whose taps may be spread and which may see a part of the channels only.
  ///
  /// - Parameters:
  ///   - x: batched [H, W, C].
  ///   - weights: of shape [KH, KW, C / groups, O]; a parameter where dilation and groups are 1.
  ///   - bias: of shape [O].
  ///   - dilation: pixels from tap to tap.
  ///   - groups: parts that channels and filters are cut into, each its own convolution; as many as there are
  ///     channels for a depthwise one.
  /// - Returns: batched [OH, OW, O].
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func conv2d(
    _ x: Value, weights: Value, bias: Value? = nil, stride: Int = 1, padding: Padding = .valid,
    dilation: Int, groups: Int = 1
  ) throws(RuntimeError) -> Value {
    guard dilation != 1 || groups != 1 else {
      return try conv2d(x, weights: weights, bias: bias, stride: stride, padding: padding)
    }
    let operation = SlidingConvolution(
      stride: stride, padding: padding, dilation: dilation, groups: groups)
    return try add(operation, [x, weights] + (bias.map { [$0] } ?? []))[0]
  }

  /// The same over sequences.
  ///
  /// - Parameters:
  ///   - x: batched [T, C].
  ///   - weights: of shape [1, K, C / groups, O].
  ///   - padding: `.valid` or `.same`.
  /// - Returns: batched [T', O].
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func conv1d(
    _ x: Value, weights: Value, bias: Value? = nil, stride: Int = 1, padding: Padding = .valid,
    dilation: Int, groups: Int = 1
  ) throws(RuntimeError) -> Value {
    let type = type(of: x)
    guard type.shape.rank == 2 else {
      throw RuntimeError(
        .shapeMismatch, "expected sequences, FP32 [batch, steps, channels]; came \(type)",
        operation: "conv1d", field: "input")
    }
    let y = try conv2d(
      reshape(x, to: type.shape.prepending(1)), weights: weights, bias: bias, stride: stride,
      padding: padding, dilation: dilation, groups: groups)
    return try reshape(y, to: Shape(Array(self.type(of: y).shape.dimensions.dropFirst())))
  }
}

/// y = f(x ⋆ w + b), group by group: depthwise in place, others as products of patches and weights.
struct SlidingConvolution: ActivationFusing {
  let stride: Int
  let padding: Padding
  let dilation: Int
  let groups: Int
  var activation: Activation?
  var name: String { "conv2d" }

  func window(_ x: TensorType, _ weights: TensorType) throws(RuntimeError) -> SlidingWindow {
    try SlidingWindow(
      name, over: x, weights: weights, stride: stride, padding: padding, dilation: dilation,
      groups: groups)
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let window = try window(operands[0], operands[1])
    if operands.count > 2 { try require(operands[2], shape: [window.filters], "bias") }
    return [TensorType(.fp32, try window.outputShape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let window = try window(
      program.type(of: node.operands[0]), program.type(of: node.operands[1]))
    let (x, w) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let bias = node.operands.count > 2 ? try program.buffer(node.operands[2]) : nil
    let y = try program.buffer(node.results[0])
    let isa = program.instructionSet
    let code = activation?.code ?? Activation.none
    let reads = [x, w] + (bias.map { [$0] } ?? [])
    let height = window.window.outputHeight
    if window.isDepthwise {
      let rows = Tiling.rows(
        ofImage: height, workPerRow: window.window.outputWidth * window.patchCount * window.filters,
        work: 8 * Tiling.elements)
      program.step(
        "depthwise conv2d", reads: reads, writes: [y],
        tiles: { Tiling.count($0 * height, by: rows) }
      ) { frame, tile, _ in
        var shape = window.kernelWindow(images: frame.batch)
        let range = Tiling.range(tile, of: rows, total: frame.batch * height)
        isa.kernels.pointee.depthwise(
          &shape, window.dilation, frame.floats(x), frame.floats(w), frame.constants(bias), code,
          frame.floats(y), range.lowerBound, range.upperBound)
      }
      return
    }
    let rows = window.rowsPerBlock
    let blocks = Tiling.count(height, by: rows)
    let (width, depth) = (window.window.outputWidth, window.patchCount)
    let (filters, perGroup) = (window.filters, window.filtersPerGroup)
    let patches = Tiling.count(rows * width * depth, by: 16) * 16
    program.step(
      name, reads: reads, writes: [y],
      scratchFloats: patches
        + isa.productScratch(
          m: rows * width, n: perGroup, k: depth, aRowStride: depth, aColumnStride: 1,
          bForm: MK_OPERAND_ROWS, bStride: filters),
      tiles: { $0 * blocks }
    ) { frame, tile, worker in
      let (image, block) = tile.quotientAndRemainder(dividingBy: blocks)
      let range = Tiling.range(block, of: rows, total: height)
      let scratch = frame.scratch(worker)
      let pixels = range.count * width
      let out =
        frame.floats(y) + image * window.outputCount + range.lowerBound * width * filters
      for group in 0..<window.groups {
        window.gather(
          rows: range, group: group, from: frame.floats(x) + image * window.inputCount,
          into: scratch)
        isa.multiply(
          m: pixels, n: perGroup, k: depth, a: scratch, aRowStride: depth, aColumnStride: 1,
          b: frame.floats(w) + group * perGroup, form: MK_OPERAND_ROWS, bStride: filters,
          into: out + group * perGroup, cStride: filters,
          bias: bias.map { UnsafePointer(frame.floats($0) + group * perGroup) }, activation: code,
          (0..<pixels, 0..<perGroup), scratch + patches)
      }
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let output = graph.type(of: node.results[0]).shape
    let weights = Double(graph.type(of: node.operands[1]).shape.elementCount)
    return 2 * weights * Double(output[0]) * Double(output[1])
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    let (x, weights) = (node.operands[0], node.operands[1])
    var gradients = [Graph.Value?](repeating: nil, count: node.operands.count)
    guard let dy = along[0] else { return gradients }
    let window = try window(graph.type(of: x), graph.type(of: weights))
    if wanted[1...].contains(true) {
      let operation = SlidingParameterGradient(window: window, hasBias: node.operands.count > 2)
      for (index, value) in try graph.add(operation, [x, dy]).enumerated() {
        gradients[1 + index] = value
      }
    }
    if wanted[0] {
      gradients[0] = try graph.add(SlidingInputGradient(window: window), [dy, weights])[0]
    }
    return gradients
  }
}

extension SlidingWindow {
  /// Copies what lies under the taps of some output rows, zeros where that is outside the image.
  func gather(
    rows: Range<Int>, group: Int, from image: UnsafePointer<Float>,
    into patches: UnsafeMutablePointer<Float>
  ) {
    forEachTap(rows: rows, group: group) { patch, pixel, channels in
      if let pixel {
        (patches + patch).update(from: image + pixel, count: channels)
      } else {
        (patches + patch).update(repeating: 0, count: channels)
      }
    }
  }
}
