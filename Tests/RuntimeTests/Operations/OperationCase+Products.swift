// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

extension OperationCase {
  private static func matrix(
    _ golden: String,
    _ build: @escaping @Sendable (inout Graph, Graph.Value, Graph.Value) throws -> Graph.Value
  ) -> OperationCase {
    OperationCase("operations/matrix-\(golden)", parameters: ["b"]) { graph, x, p in
      try build(&graph, x, p[0])
    }
  }

  /// Attention with x as queries, and keys and values made of it.
  private static func attention(
    _ golden: String, isCausal: Bool = false, scale: Float? = nil, hasLengths: Bool = false
  ) -> OperationCase {
    OperationCase(
      "operations/\(golden)", parameters: ["b"], indices: hasLengths ? ["lengths"] : []
    ) { graph, x, p in
      let keys = try graph.binary(.multiply, x, p[0])
      let values = try graph.add(
        graph.slice(x, axis: 2, 0..<5), graph.slice(p[0], axis: 0, 0..<5))
      return try graph.attention(
        queries: x, keys: keys, values: values, isCausal: isCausal,
        lengths: hasLengths ? p[1] : nil, scale: scale)
    }
  }

  static let products: [OperationCase] = [
    .matrix("shared") { graph, x, b in try graph.matrixMultiply(x, b) },
    .matrix("shared-transposed") { graph, x, b in
      try graph.matrixMultiply(x, b, transposesB: true)
    },
    .matrix("batched") { graph, x, b in try graph.matrixMultiply(x, b) },
    .matrix("broadcast") { graph, x, b in try graph.matrixMultiply(x, b) },
    .plain("matrix-own") { graph, x in
      try graph.matrixMultiply(x, graph.unary(.square, x), transposesB: true)
    },
    .plain("matrix-transposed") { graph, x in
      try graph.matrixMultiply(x, graph.unary(.square, x), transposesA: true)
    },
    .plain("matrix-both-transposed") { graph, x in
      try graph.matrixMultiply(
        x, graph.unary(.square, x), transposesA: true, transposesB: true)
    },
    .matrix("on-the-left") { graph, x, b in try graph.matrixMultiply(b, x) },
    .matrix("column") { graph, x, b in try graph.matrixMultiply(x, b) },
    .matrix("row") { graph, x, b in try graph.matrixMultiply(x, b) },
    .attention("attention"), .attention("attention-causal", isCausal: true),
    .attention("attention-scaled", scale: 0.7),
    .attention("attention-lengths", hasLengths: true),
    OperationCase("operations/attention-last-queries", parameters: ["b"]) { graph, x, p in
      try graph.attention(
        queries: graph.slice(x, axis: 1, 6..<9), keys: graph.binary(.multiply, x, p[0]),
        values: x, isCausal: true)
    },
    OperationCase(
      "operations/gru-both-directions",
      parameters: ["start"] + directions("forward") + directions("backward")
    ) { graph, x, p in
      let first = try graph.reshape(graph.slice(x, axis: 0, 0..<1), to: Shape([3]))
      let states = try graph.split(graph.matrixMultiply(first, p[0]), axis: 0, counts: [4, 4])
      let parameters = [p[1...4], p[5...8]].map { p in
        let p = Array(p)
        return RecurrentParameters(
          weights: p[0], recurrentWeights: p[1], bias: p[2], recurrentBias: p[3])
      }
      let (y, last) = try graph.bidirectional(
        .gru, x, forward: parameters[0], backward: parameters[1],
        initial: (RecurrentState(hidden: states[0]), RecurrentState(hidden: states[1])))
      return try graph.add(y, last.hidden)
    },
  ]

  private static func directions(_ name: String) -> [String] {
    ["weights", "recurrent_weights", "bias", "recurrent_bias"].map { "\(name)_\($0)" }
  }

  private static func sliding(
    _ golden: String, stride: Int = 1, _ padding: Padding = .valid, dilation: Int = 1,
    groups: Int = 1
  ) -> OperationCase {
    OperationCase("operations/\(golden)", parameters: ["weights", "bias"]) { graph, x, p in
      try graph.conv2d(
        x, weights: p[0], bias: p[1], stride: stride, padding: padding, dilation: dilation,
        groups: groups)
    }
  }

  private static func transposed(
    _ golden: String, stride: Int = 1, _ padding: Padding = .valid, outputPadding: Int = 0,
    dilation: Int = 1, groups: Int = 1
  ) -> OperationCase {
    OperationCase("operations/\(golden)", parameters: ["weights", "bias"]) { graph, x, p in
      try graph.transposedConv2D(
        x, weights: p[0], bias: p[1], stride: stride, padding: padding,
        outputPadding: outputPadding, dilation: dilation, groups: groups)
    }
  }

  static let convolutions: [OperationCase] =
    [
      .sliding("conv2d-dilated", dilation: 2),
      .sliding("conv2d-dilated-stride", stride: 2, .symmetric(3), dilation: 3, groups: 2),
      .sliding("conv2d-groups", .symmetric(1), groups: 3),
      .sliding("conv2d-depthwise", .same, groups: 19),
      .sliding("conv2d-depthwise-dilated", stride: 2, .symmetric(1), dilation: 2, groups: 5),
      .sliding("conv2d-depthwise-multiplied", stride: 2, groups: 4),
      OperationCase("operations/conv1d-dilated", parameters: ["weights", "bias"]) { graph, x, p in
        try graph.conv1d(x, weights: p[0], bias: p[1], dilation: 2, groups: 2)
      },
    ]
    + [1, 3, 6].map { groups in
      OperationCase("operations/group-norm-\(groups)", parameters: ["scale", "offset"]) {
        graph, x, p in
        try graph.groupNormalization(x, groups: groups, scale: p[0], offset: p[1])
      }
    }

  static let transposedAndResized: [OperationCase] = [
    .transposed("transposed-conv2d"),
    .transposed("transposed-conv2d-stride", stride: 2, .symmetric(1), outputPadding: 1),
    .transposed("transposed-conv2d-same", stride: 2, .same),
    .transposed("transposed-conv2d-groups", stride: 2, .symmetric(1), dilation: 2, groups: 2),
    .plain("resize-nearest") { graph, x in try graph.resize2D(x, height: 10, width: 7) },
    .plain("resize-nearest-smaller") { graph, x in try graph.resize2D(x, height: 3, width: 3) },
    .plain("resize-linear") { graph, x in
      try graph.resize2D(x, height: 8, width: 11, .linear)
    },
    .plain("resize-linear-smaller") { graph, x in
      try graph.resize2D(x, height: 3, width: 2, .linear)
    },
    .plain("resize-linear-aligned") { graph, x in
      try graph.resize2D(x, height: 9, width: 6, .linearAlignedCorners)
    },
    .plain("resize-sequence") { graph, x in try graph.resize1D(x, steps: 9, .linear) },
    .plain("global-max-pool") { graph, x in try graph.globalMaxPool(x) },
  ]
}
