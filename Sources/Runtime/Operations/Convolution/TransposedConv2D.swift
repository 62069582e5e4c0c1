// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, weights KH×KW×(O/G)×C, outputs N×OH×OW×O: a convolution's weights from O to C channels.

extension Graph {
  /// The transpose of a convolution: every pixel spreads the filters over the pixels around its place.
  ///
  /// It is what the gradient of `conv2d` along its input is, so images of the size that a convolution with the same
  /// settings would make smaller again.
  ///
  /// - Parameters:
  ///   - x: batched [H, W, C].
  ///   - weights: a parameter of shape [KH, KW, O / groups, C].
  ///   - bias: of shape [O].
  ///   - padding: what the convolution would have; with `.same` the output is `stride` times the input.
  ///   - outputPadding: pixels more below and to the right, less than the stride: several sizes become one under a
  ///     stride.
  /// - Returns: batched [OH, OW, O].
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func transposedConv2D(
    _ x: Value, weights: Value, bias: Value? = nil, stride: Int = 1, padding: Padding = .valid,
    outputPadding: Int = 0, dilation: Int = 1, groups: Int = 1
  ) throws(RuntimeError) -> Value {
    let operation = TransposedConv2D(
      stride: stride, padding: padding, outputPadding: outputPadding, dilation: dilation,
      groups: groups)
    let y = try add(operation, [x, weights])[0]
    guard let bias else { return y }
    try operation.require(type(of: bias), shape: [type(of: y).shape.innermost], "bias")
    return try binary(.add, y, bias)
  }
}

/// y = the x whose convolution has this gradient.
struct TransposedConv2D: Operation {
  let stride: Int
  let padding: Padding
  let outputPadding: Int
  let dilation: Int
  let groups: Int
  var name: String { "transposed_conv2d" }

  /// The window of the convolution from y to x.
  func window(_ x: TensorType, _ weights: TensorType) throws(RuntimeError) -> SlidingWindow {
    guard x.isBatched, x.datatype == .fp32, x.shape.rank == 3, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected images, FP32 [batch, height, width, channels]; came \(x)",
        operation: name, field: "input")
    }
    guard weights.shape.rank == 4, weights.shape[3] == x.shape[2] else {
      throw RuntimeError(
        .shapeMismatch,
        "expected FP32 [height, width, filters / groups, \(x.shape[2])]; came \(weights)",
        operation: name, field: "weights")
    }
    guard outputPadding >= 0, outputPadding < max(1, stride) else {
      throw RuntimeError(
        .invalidArgument, "expected 0 or more and less than the stride; came \(outputPadding)",
        operation: name, field: "output_padding")
    }
    guard groups > 0, dilation > 0, stride > 0 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(stride), \(dilation) and \(groups)",
        operation: name, field: stride > 0 ? dilation > 0 ? "groups" : "dilation" : "stride")
    }
    let (filters, overflow) = weights.shape[2].multipliedReportingOverflow(by: groups)
    guard !overflow else {
      throw RuntimeError(.tooLarge, "too many filters", operation: name, field: "groups")
    }
    let image = TensorType(
      .fp32,
      try Shape([
        try extent(x.shape[0], kernel: weights.shape[0]),
        try extent(x.shape[1], kernel: weights.shape[1]), filters,
      ]), isBatched: true)
    let window = try SlidingWindow(
      name, over: image, weights: weights, stride: stride, padding: padding, dilation: dilation,
      groups: groups)
    guard window.window.outputHeight == x.shape[0], window.window.outputWidth == x.shape[1] else {
      throw RuntimeError(
        .invalidArgument, "no convolution of these settings leads to \(x)", operation: name,
        field: "padding")
    }
    return window
  }

  private func extent(_ input: Int, kernel: Int) throws(RuntimeError) -> Int {
    let (steps, a) = (padding == .same ? input : input - 1).multipliedReportingOverflow(by: stride)
    let (reach, b) = (kernel - 1).multipliedReportingOverflow(by: dilation)
    var (extent, c) = (steps, false)
    if padding != .same {
      (extent, c) = steps.addingReportingOverflow(reach)
      if case .symmetric(let count) = padding {
        guard count >= 0, count <= reach else {
          throw RuntimeError(
            .invalidArgument, "expected 0 or more and less than the kernel; came \(count)",
            operation: name, field: "padding")
        }
        extent -= 2 * count
      }
      extent += c ? 0 : 1
    }
    let (padded, d) = extent.addingReportingOverflow(padding == .same ? 0 : outputPadding)
    guard !a, !b, !c, !d, reach < Int.max / 4, padded > 0 else {
      throw RuntimeError(
        a || b || c || d ? .tooLarge : .invalidArgument,
        "expected an output of 1 pixel or more; the settings give \(padded)", operation: name,
        field: "padding")
    }
    return padded
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [try window(operands[0], operands[1]).inputType]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let window = try window(
      program.type(of: node.operands[0]), program.type(of: node.operands[1]))
    if dilation == 1, groups == 1, program.isParameter(node.operands[1]) {
      try Conv2DInputGradient(window: window.window).emit(node, into: &program)
    } else {
      try SlidingInputGradient(window: window).emit(node, into: &program)
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let input = graph.type(of: node.operands[0]).shape
    let weights = Double(graph.type(of: node.operands[1]).shape.elementCount)
    return 2 * weights * Double(input[0]) * Double(input[1])
  }

  // The transpose of the transpose is the convolution.
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil] }
    let (x, weights) = (node.operands[0], node.operands[1])
    let window = try window(graph.type(of: x), graph.type(of: weights))
    var (dx, dw): (Graph.Value?, Graph.Value?)
    if wanted[0] {
      dx = try graph.conv2d(
        dy, weights: weights, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
    if wanted[1] {
      dw =
        dilation == 1 && groups == 1
        ? try graph.add(Conv2DParameterGradient(window: window.window, hasBias: false), [dy, x])[0]
        : try graph.add(SlidingParameterGradient(window: window, hasBias: false), [dy, x])[0]
    }
    return [dx, dw]
  }
}
