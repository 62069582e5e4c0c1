// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A dense layer with constant weights.
struct DenseCase: Case {
  private let work: PlanWork

  init(_ setting: Setting) throws {
    let (n, k) = (try setting.number("n"), try setting.number("k"))
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([k]))
    let weights = try graph.parameter("weights", shape: Shape([k, n]), .zeros)
    let bias = try graph.parameter("bias", shape: Shape([n]), .zeros)
    let y = try graph.dense(x, weights: weights, bias: bias)
    work = try PlanWork(graph, outputs: [y], batch: try setting.number("m"), setting)
  }

  func run() throws { try work.run() }

  func results() -> [UnsafeRawBufferPointer] { work.results() }
}
