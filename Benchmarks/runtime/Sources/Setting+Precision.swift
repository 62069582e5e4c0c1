// SPDX-License-Identifier: Apache-2.0

import Runtime

extension Setting {
  /// The precision that the driver asked for; int8 is calibrated with the input itself.
  func precision(
    _ graph: Graph, _ outputs: [Graph.Value], _ parameters: Parameters, batch: Int
  ) throws -> Precision {
    switch try? text("precision") {
    case "bf16": return .bf16
    case "int8":
      let calibration = try Calibration(
        graph, outputs: outputs, parameters: parameters, maximumBatch: batch, workers: workers,
        instructionSet: instructionSet)
      let input = UnsafeRawBufferPointer(try tensor("x"))
      try calibration.observe([input], batch: batch)
      return .int8(calibration.result)
    default: return .fp32
    }
  }
}
