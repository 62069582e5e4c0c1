// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// In training, sets each element to zero with probability `rate` and scales the others by
  /// 1 / (1 - rate); in inference, nothing.
  ///
  /// Which elements is a function of the seed, the step and the operation's place in the graph.
  /// - Throws: `.invalidArgument` for a rate outside 0..<1.
  public mutating func dropout(_ x: Value, rate: Float) throws(RuntimeError) -> Value {
    try add(Dropout(rate: rate, stream: makeStream(), isGradient: false), [x])[0]
  }
}

/// y = x · mask / (1 - rate); the gradient is the same map of dy, its mask drawn again.
struct Dropout: Operation {
  let rate: Float
  let stream: UInt32
  let isGradient: Bool
  var name: String { isGradient ? "dropout gradient" : "dropout" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    guard rate >= 0, rate < 1 else {
      throw RuntimeError(
        .invalidArgument, "expected at least 0 and less than 1; came \(rate)", operation: name,
        field: "rate")
    }
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    guard program.mode == .training, rate > 0 else {
      return try program.forward(name, node.results[0], from: node.operands[0])
    }
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, rate, stream) = (program.instructionSet, rate, stream)
    try program.elementwise(name, node.results[0], from: [node.operands[0]]) { frame, range in
      let start = range.lowerBound
      var numbers = Philox(seed: frame.seed, step: frame.step, stream: stream).kernelStream
      isa.kernels.pointee.dropout(
        frame.floats(y) + start, frame.floats(x) + start, &numbers, UInt64(start), rate,
        range.count)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    return [try graph.add(Dropout(rate: rate, stream: stream, isGradient: true), [dy])[0]]
  }
}
