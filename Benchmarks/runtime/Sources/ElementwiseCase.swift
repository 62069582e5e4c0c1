// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A function over a million floats, softmax and layer normalisation over rows of a thousand.
struct ElementwiseCase: Case {
  private static let columns = 1000

  private let work: PlanWork?
  private let x: UnsafeMutableRawBufferPointer
  private let y: UnsafeMutableBufferPointer<Float>
  private let instructionSet: InstructionSet

  init(_ setting: Setting) throws {
    x = try setting.tensor("x")
    y = try floats(x.count / MemoryLayout<Float>.stride)
    instructionSet = setting.instructionSet
    let function = try setting.text("function")
    guard function != "exp" else {
      work = nil
      return
    }
    var graph = Graph()
    let input = try graph.input("x", shape: Shape([Self.columns]))
    let output: Graph.Value
    switch function {
    case "softmax": output = try graph.softmax(input)
    case "layernorm":
      let scale = try graph.parameter("scale", shape: Shape([Self.columns]), .zeros)
      let offset = try graph.parameter("offset", shape: Shape([Self.columns]), .zeros)
      output = try graph.layerNormalization(input, scale: scale, offset: offset)
    default:
      let functions: [String: Activation] = ["tanh": .tanh, "sigmoid": .sigmoid, "gelu": .gelu]
      guard let activation = functions[function] else {
        throw RuntimeError(.notFound, "no such function", field: function)
      }
      output = try graph.activate(input, activation)
    }
    work = try PlanWork(graph, outputs: [output], batch: y.count / Self.columns, setting)
  }

  func run() throws {
    if let work { return try work.run() }
    guard let out = y.baseAddress, let x = x.baseAddress else { return }
    instructionSet.exponential(out, x.assumingMemoryBound(to: Float.self), count: y.count)
  }

  func results() -> [UnsafeRawBufferPointer] { work?.results() ?? [UnsafeRawBufferPointer(y)] }
}
