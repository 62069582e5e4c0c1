// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

extension OperationCase {
  private static func unary(
    _ golden: String, _ function: UnaryFunction, isSmooth: Bool = true
  ) -> OperationCase {
    OperationCase("operations/\(golden)", isSmooth: isSmooth) { graph, x, _ in
      try graph.unary(function, x)
    }
  }

  private static func binary(
    _ golden: String, _ function: BinaryFunction, isReversed: Bool = false
  ) -> OperationCase {
    OperationCase("operations/\(golden)", parameters: ["b"]) { graph, x, p in
      isReversed ? try graph.binary(function, p[0], x) : try graph.binary(function, x, p[0])
    }
  }

  private static func reduction(_ reduction: Reduction) -> [OperationCase] {
    let axes = ["inner": [2], "outer": [0], "middle": [-2], "ends": [0, 2], "all": [0, 1, 2]]
    let each = axes.sorted { $0.key < $1.key }.map { name, axes in
      plain("\(reduction.rawValue)-\(name)") { graph, x in
        try graph.reduce(reduction, x, axes: axes)
      }
    }
    let together = plain("\(reduction.rawValue)-batch") { graph, x in
      let reduced = try graph.reduce(
        reduction, x, axes: [1], includingBatch: true, keepsAxes: true)
      return try graph.binary(.multiply, x, reduced)
    }
    return each + [together]
  }

  /// An operation of x alone.
  static func plain(
    _ golden: String, isSmooth: Bool = true,
    _ build: @escaping @Sendable (inout Graph, Graph.Value) throws -> Graph.Value
  ) -> OperationCase {
    OperationCase("operations/\(golden)", isSmooth: isSmooth) { graph, x, _ in
      try build(&graph, x)
    }
  }

  /// The operations of general graphs.
  static let general: [OperationCase] =
    elementwise + reductions + layout + indexing + products + convolutions + transposedAndResized

  private static let elementwise: [OperationCase] = [
    .unary("negate", .negate), .unary("absolute", .absolute),
    .unary("exponential", .exponential), .unary("logarithm", .logarithm),
    .unary("square", .square), .unary("reciprocal", .reciprocal),
    .unary("square-root", .squareRoot), .unary("reciprocal-square-root", .reciprocalSquareRoot),
    .unary("sign", .sign), .unary("floor", .floor, isSmooth: false),
    .unary("ceiling", .ceiling, isSmooth: false), .unary("round", .round, isSmooth: false),
    .unary("sine", .sine), .unary("cosine", .cosine), .unary("error-function", .errorFunction),
    .unary("logarithm-of-one-plus", .logarithmOfOnePlus),
    .unary("exponential-less-one", .exponentialLessOne),
    .binary("add-row", .add), .binary("add-column", .add),
    .binary("subtract", .subtract, isReversed: true), .binary("multiply", .multiply),
    .binary("multiply-outwards", .multiply), .binary("divide", .divide),
    .binary("divide-by-x", .divide, isReversed: true), .binary("power", .power),
    .binary("power-of-x", .power, isReversed: true), .binary("minimum", .minimum),
    .binary("maximum", .maximum),
    OperationCase("operations/select", parameters: ["b"]) { graph, x, p in
      let isLarge = try graph.compare(.greater, x, graph.constant(0.25))
      return try graph.select(isLarge, graph.binary(.multiply, x, p[0]), p[0])
    },
    .plain("expand") { graph, x in try graph.expand(x, to: Shape([2, 4, 5])) },
  ]

  private static let reductions: [OperationCase] =
    Reduction.allCases.flatMap { reduction($0) } + [
      .plain("maximum-of-ties", isSmooth: false) { graph, x in
        try graph.reduce(.maximum, x)
      },
      .plain("product-of-zeros") { graph, x in try graph.reduce(.product, x, axes: [-1]) },
      .plain("variance") { graph, x in try graph.variance(x, axes: [0, 2]) },
      .plain("variance-corrected") { graph, x in
        try graph.variance(x, axes: [1], correction: 1)
      },
      .plain("norm-one") { graph, x in try graph.norm(x, axes: [1, 2], order: .one) },
      .plain("norm-two") { graph, x in try graph.norm(x, axes: [0, 1]) },
      .plain("norm-infinity") { graph, x in try graph.norm(x, axes: [2], order: .infinity) },
      .plain("cumulative-sum") { graph, x in try graph.cumulativeSum(x, axis: 1) },
      .plain("cumulative-sum-reversed") { graph, x in
        try graph.cumulativeSum(x, axis: -1, isReversed: true)
      },
      .plain("cumulative-sum-exclusive") { graph, x in
        try graph.cumulativeSum(x, axis: 0, isExclusive: true)
      },
      .plain("top-k") { graph, x in try graph.topK(x, count: 3).values },
      .plain("top-k-smallest") { graph, x in
        try graph.topK(x, count: 2, axis: 1, smallest: true).values
      },
      .plain("softmax-axis") { graph, x in try graph.softmax(x, axis: 0) },
      .plain("log-softmax-axis") { graph, x in try graph.logSoftmax(x, axis: 1) },
    ]

  private static let layout: [OperationCase] =
    [[0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1], [1, 0, 2]].map { axes in
      .plain("permute-" + axes.map(String.init).joined()) { graph, x in
        try graph.permute(x, axes: axes)
      }
    } + [
      .plain("transpose") { graph, x in try graph.transpose(x) },
      .plain("split") { graph, x in
        let parts = try graph.split(x, axis: 1, counts: [2, 1, 2])
        return try graph.concatenate(parts.reversed(), axis: 1)
      },
      .plain("pad") { graph, x in
        let wide = try graph.pad(x, axis: 1, before: 1, after: 2, .constant(0.5))
        return try graph.pad(wide, axis: 0, before: 3, after: 0, .constant(0.5))
      },
      .plain("pad-reflect") { graph, x in
        let wide = try graph.pad(x, axis: 1, before: 2, after: 1, .reflect)
        return try graph.pad(wide, axis: 0, before: 3, after: 0, .reflect)
      },
      .plain("pad-edge") { graph, x in
        let wide = try graph.pad(x, axis: 1, before: 2, after: 1, .edge)
        return try graph.pad(wide, axis: 0, before: 3, after: 0, .edge)
      },
    ]

  private static let indexing: [OperationCase] = [
    .plain("gather-constant") { graph, x in
      try graph.gather(x, graph.constant(Shape([4]), indices: [4, 0, 4, 2]), axis: 1)
    },
    OperationCase("operations/gather-own", indices: ["indices"]) { graph, x, p in
      try graph.gather(x, p[0], axis: 0)
    },
    OperationCase("operations/gather-table", parameters: ["table"], indices: ["indices"]) {
      graph, x, p in
      try graph.binary(.multiply, x, graph.gather(p[0], p[1], axis: 0))
    },
    OperationCase("operations/gather-elements", indices: ["indices"]) { graph, x, p in
      try graph.gatherElements(x, p[0], axis: 0)
    },
    OperationCase("operations/scatter-add", indices: ["indices"]) { graph, x, p in
      let type = TensorType(.fp32, try Shape([4, 5]), isBatched: true)
      return try graph.scatterAdd(x, p[0], axis: 0, type: type)
    },
    OperationCase("operations/scatter", parameters: ["updates"], indices: ["indices"]) {
      graph, x, p in
      // What all samples write, once for each.
      let first = try graph.slice(x, axis: 0, 0..<1)
      let ones = try graph.binary(.add, graph.binary(.multiply, first, 0), 1)
      let updates = try graph.binary(.multiply, ones, p[0])
      return try graph.scatter(x, p[1], updates, axis: 0)
    },
  ]
}
