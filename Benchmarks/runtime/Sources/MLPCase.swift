// SPDX-License-Identifier: Apache-2.0

import Runtime

/// Dense layers with relu between them: 784-512-256-10.
struct MLPCase: Case {
  private let work: PlanWork

  init(_ setting: Setting) throws {
    var graph = Graph()
    var x = try graph.input("x", shape: Shape([784]))
    let sizes = [784, 512, 256, 10]
    for layer in 1..<sizes.count {
      let weights = try graph.parameter(
        "dense\(layer).weights", shape: Shape([sizes[layer - 1], sizes[layer]]), .zeros)
      let bias = try graph.parameter("dense\(layer).bias", shape: Shape([sizes[layer]]), .zeros)
      x = try graph.dense(x, weights: weights, bias: bias)
      if layer < sizes.count - 1 { x = try graph.relu(x) }
    }
    work = try PlanWork(graph, outputs: [x], batch: try setting.number("batch"), setting)
  }

  func run() throws { try work.run() }

  func results() -> [UnsafeRawBufferPointer] { work.results() }
}
