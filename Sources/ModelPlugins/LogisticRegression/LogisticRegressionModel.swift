// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// Class probabilities of rows under a linear classifier.
struct LinearClassifier: Sendable {
  private let coefficients: [Float]
  private let intercepts: [Float]
  private let classes: Int
  private let columns: Int
  private let instructionSet: InstructionSet

  /// Rows of one product.
  private static let blockRows = 64

  init(
    _ parameters: LogisticObjective.Parameters, classes: Int, columns: Int,
    instructionSet: InstructionSet
  ) {
    self.init(
      coefficients: parameters.coefficients.map { Float($0) },
      intercepts: parameters.intercepts.map { Float($0) }, classes: classes, columns: columns,
      instructionSet: instructionSet)
  }

  init(
    coefficients: [Float], intercepts: [Float], classes: Int, columns: Int,
    instructionSet: InstructionSet
  ) {
    self.coefficients = coefficients
    self.intercepts = intercepts
    self.classes = classes
    self.columns = columns
    self.instructionSet = instructionSet
  }

  /// Fills (rows, classes).
  func probabilities(
    _ x: UnsafePointer<Float>, rows: Int, into out: UnsafeMutablePointer<Float>
  ) {
    let logits = intercepts.count
    let product = MatrixProduct(
      m: Self.blockRows, n: logits, k: columns, aRowStride: columns, bIsTransposed: true,
      bStride: columns, instructionSet: instructionSet)
    withUnsafeTemporaryAllocation(
      of: Float.self, capacity: max(1, product.scratchCount + Self.blockRows * logits)
    ) { memory in
      guard let z = memory.baseAddress else { return }
      for start in stride(from: 0, to: rows, by: Self.blockRows) {
        let count = min(Self.blockRows, rows - start)
        coefficients.withUnsafeBufferPointer { weights in
          intercepts.withUnsafeBufferPointer { bias in
            guard let weights = weights.baseAddress else { return }
            product.run(
              a: x + start * columns, b: weights, into: z, cStride: logits, rows: count,
              bias: bias.baseAddress, scratch: z + Self.blockRows * logits)
          }
        }
        if logits > 1 {
          instructionSet.softmax(out + start * classes, z, rows: count, columns: classes)
          continue
        }
        for row in 0..<count {
          let value = Double(z[row])
          let small = exp(-abs(value))
          let one = value >= 0 ? 1 / (1 + small) : small / (1 + small)
          out[(start + row) * 2] = Float(value >= 0 ? small / (1 + small) : 1 / (1 + small))
          out[(start + row) * 2 + 1] = Float(one)
        }
      }
    }
  }
}

/// A logistic regression that answers: `probabilities` and `label`.
final class LogisticRegressionModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let executesInline = false
  let memoryByteCount: Int

  private let encoding: FeatureEncoding
  private let interface: TableInterface
  private let classifier: LinearClassifier
  private let answers: ClassifierOutputs

  init(
    _ encoding: FeatureEncoding, names: ClassNames, weights: TensorBundle, maxBatchSize: Int,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let logits = names.count == 2 ? 1 : names.count
    guard names.count >= 2 else {
      throw PluginError(field: "model.json.model.classes", "expected two classes or more")
    }
    classifier = LinearClassifier(
      coefficients: try weights.values("coefficients", shape: [logits, encoding.width]),
      intercepts: try weights.values("intercepts", shape: [logits]), classes: names.count,
      columns: encoding.width, instructionSet: instructionSet)
    self.encoding = encoding
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    answers = ClassifierOutputs(names: names)
    inputs = interface.inputs
    outputs = answers.specifications
    memoryByteCount = logits * (encoding.width + 1) * 4
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    try encoding.withRows(of: execution, interface) { x throws(PluginError) in
      try answers.write(to: execution) { out in
        classifier.probabilities(x, rows: execution.batchSize, into: out)
      }
    }
  }
}
