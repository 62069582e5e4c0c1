// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A linear regression that answers: `predictions` FP32 [1].
final class LinearRegressionModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs = [TensorSpecification(name: "predictions", datatype: .fp32, shape: [1])]
  let maxBatchSize: Int
  let executesInline = false
  var memoryByteCount: Int { coefficients.count * 8 }

  private let encoding: FeatureEncoding
  private let interface: TableInterface
  private let coefficients: [Double]
  private let intercept: Double

  init(
    _ encoding: FeatureEncoding, coefficients: [Double], intercept: Double, maxBatchSize: Int
  ) {
    self.encoding = encoding
    self.coefficients = coefficients
    self.intercept = intercept
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    inputs = interface.inputs
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    try encoding.withRows(of: execution, interface) { x throws(PluginError) in
      try execution.fillFloats(0, shape: [rows, 1]) { out in
        coefficients.withUnsafeBufferPointer { coefficients in
          guard let weights = coefficients.baseAddress else { return }
          for row in 0..<rows {
            out[row] = Float(
              intercept + dot(x + row * encoding.width, weights, count: encoding.width))
          }
        }
      }
    }
  }
}
