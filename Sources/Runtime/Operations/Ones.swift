// SPDX-License-Identifier: Apache-2.0

import CKernels

/// One: the gradient of the loss along itself, where differentiation begins.
struct Ones: Operation {
  var name: String { "ones" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [TensorType(.fp32, .scalar, isBatched: false)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let y = try program.buffer(node.results[0])
    program.step(name, reads: [], writes: [y], tiles: { _ in 1 }) { frame, _, _ in
      frame.floats(y)[0] = 1
    }
  }
}

/// y = x · factor, the factor one number: hands a loss's own gradient on.
struct Scale: Operation {
  var name: String { "scale" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, factor) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let isa = program.instructionSet
    try program.elementwise(
      name, node.results[0], from: [node.operands[0]], also: [node.operands[1]]
    ) { frame, range in
      let start = range.lowerBound
      isa.kernels.pointee.scale(
        frame.floats(y) + start, frame.floats(x) + start, frame.floats(factor)[0], 0, range.count)
    }
  }
}
