// SPDX-License-Identifier: Apache-2.0

import Runtime

/// The geometry that the driver gives.
private struct Geometry {
  let batch, channels, size, filters, kernel, stride: Int

  init(_ setting: Setting) throws {
    batch = try setting.number("batch")
    channels = try setting.number("channels")
    size = try setting.number("size")
    filters = try setting.number("filters")
    kernel = try setting.number("kernel")
    stride = try setting.number("stride")
  }

  /// The convolution of an input `x`, padded so that stride 1 keeps the size.
  func graph() throws(RuntimeError) -> (
    graph: Graph, x: Graph.Value, weights: Graph.Value, y: Graph.Value
  ) {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([size, size, channels]))
    let weights = try graph.parameter(
      "weights", shape: Shape([kernel, kernel, channels, filters]), .zeros)
    let y = try graph.conv2d(
      x, weights: weights, stride: stride, padding: .symmetric(kernel / 2))
    return (graph, x, weights, y)
  }
}

/// A convolution with constant weights.
struct ConvolutionCase: Case {
  private let work: PlanWork

  init(_ setting: Setting) throws {
    let geometry = try Geometry(setting)
    let made = try geometry.graph()
    work = try PlanWork(made.graph, outputs: [made.y], batch: geometry.batch, setting)
  }

  func run() throws { try work.run() }

  func results() -> [UnsafeRawBufferPointer] { work.results() }
}

/// A convolution's gradients along its input and its weights, which may have changed since the last run.
struct ConvolutionGradientCase: Case {
  private let plan: LivePlan
  private let inputs: [UnsafeRawBufferPointer]
  private let batch: Int

  init(_ setting: Setting) throws {
    let geometry = try Geometry(setting)
    var made = try geometry.graph()
    let dy = try made.graph.input("dy", shape: made.graph.type(of: made.y).shape)
    let gradients = try made.graph.gradients(of: made.y, along: dy, to: [made.x, made.weights])
    let parameters = try Parameters(made.graph, seed: 1, instructionSet: setting.instructionSet)
    try setting.load(parameters)
    batch = geometry.batch
    plan = try LivePlan(
      made.graph, outputs: gradients.compactMap(\.self), parameters: parameters,
      maximumBatch: batch, workers: setting.workers, instructionSet: setting.instructionSet)
    inputs = try plan.inputs.map { UnsafeRawBufferPointer(try setting.tensor($0.name)) }
  }

  func run() throws {
    plan.refresh()
    try plan.run(inputs, batch: batch)
  }

  func results() -> [UnsafeRawBufferPointer] { [plan.output(0), plan.output(1)] }
}
