// SPDX-License-Identifier: Apache-2.0

import Runtime

/// Two layers of 256 LSTM units over 100 steps of 128 features.
struct LSTMCase: Case {
  private let work: PlanWork

  init(_ setting: Setting) throws {
    let (steps, features, units) = (100, 128, 256)
    var graph = Graph()
    var x = try graph.input("x", shape: Shape([steps, features]))
    for (layer, inputs) in [features, units].enumerated() {
      let name = "lstm\(layer)"
      let parameters = RecurrentParameters(
        weights: try graph.parameter(
          "\(name).weights", shape: Shape([inputs, 4 * units]), .zeros),
        recurrentWeights: try graph.parameter(
          "\(name).recurrent_weights", shape: Shape([units, 4 * units]), .zeros),
        bias: try graph.parameter("\(name).bias", shape: Shape([4 * units]), .zeros))
      x = try graph.recurrent(.lstm, x, parameters).outputs
    }
    work = try PlanWork(graph, outputs: [x], batch: try setting.number("batch"), setting)
  }

  func run() throws { try work.run() }

  func results() -> [UnsafeRawBufferPointer] { work.results() }
}
