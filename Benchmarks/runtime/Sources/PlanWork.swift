// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A graph compiled for inference with the driver's weights and inputs.
struct PlanWork {
  private let execution: PlanExecution
  private let inputs: [UnsafeRawBufferPointer]
  private let batch: Int
  private let outputCount: Int

  init(
    _ graph: Graph, outputs: [Graph.Value], batch: Int, _ setting: Setting
  ) throws {
    let parameters = try Parameters(graph, seed: 1, instructionSet: setting.instructionSet)
    try setting.load(parameters)
    let precision = try setting.precision(graph, outputs, parameters, batch: batch)
    let plan = try Plan(
      graph, outputs: outputs, parameters: parameters, maximumBatch: batch,
      instructionSet: setting.instructionSet, precision: precision)
    execution = try plan.makeExecution(workers: setting.workers)
    inputs = try plan.inputs.map { UnsafeRawBufferPointer(try setting.tensor($0.name)) }
    outputCount = outputs.count
    self.batch = batch
  }

  func run() throws { try execution.run(inputs, batch: batch) }

  func results() -> [UnsafeRawBufferPointer] { (0..<outputCount).map { execution.output($0) } }
}
