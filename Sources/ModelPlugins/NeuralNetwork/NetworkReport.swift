// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a trained network is: its operations after fusion, their work, the memory of a plan, the losses.
struct NetworkReport {
  /// The drawing beside the report.
  static let drawingName = "graph.svg"

  let report: Report
  let drawing: String

  init(_ explanation: PlanExplanation, losses: [Double]) {
    var report = Report(family: "neural-network", title: "Neural network")
    report.fact("parameters", "parameters", .integer(explanation.parameterCount))
    report.fact("flop_per_sample", "FLOP a sample", .number(explanation.operationCount.rounded()))
    report.fact("max_batch_size", "largest batch", .integer(explanation.maximumBatch))
    report.fact("weight_bytes", "bytes of weights", .integer(explanation.memory.resident))
    report.fact("value_bytes", "bytes of values", .integer(explanation.memory.values))
    report.fact(
      "value_bytes_unshared", "  without sharing", .integer(explanation.memory.valuesUnshared))
    if !explanation.constants.isEmpty {
      report.fact(
        "constants", "computed once", .string(explanation.constants.joined(separator: ", ")))
    }
    report.table(
      "operations", "Operations of the plan, after fusion",
      columns: ["#", "operation", "of", "gives", "parameters", "FLOP"],
      rows: explanation.steps.enumerated().map { index, step in
        let sources = step.sources.map { source in
          switch source {
          case .input(let name): name
          case .step(let position): "#\(position)"
          }
        }
        return [
          .integer(index), .string(step.title), .string(sources.joined(separator: ", ")),
          .string("\(step.result)"), .integer(step.parameterCount),
          .number(step.operationCount.rounded()),
        ]
      }, textLimit: 300)
    if !losses.isEmpty {
      report.table(
        "epochs", "Loss of each epoch", columns: ["epoch", "loss"],
        rows: losses.enumerated().map { [.integer($0 + 1), .number($1)] })
    }
    self.report = report
    drawing = explanation.svg
  }
}
