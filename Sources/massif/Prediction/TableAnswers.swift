// SPDX-License-Identifier: Apache-2.0
internal import MassifClient

/// A model's answers to the rows of a table: one text and, where it is one, one number a row for
/// each output.
struct TableAnswers {
  /// One output, row by row.
  struct Output {
    var name: String
    var values: [[JSONValue]]
  }

  private(set) var outputs: [Output] = []
  private(set) var version = ""

  /// Adds the answer to the next `rows` rows.
  mutating func append(_ answer: InferenceResult, rows: Int) throws {
    version = answer.version
    if outputs.isEmpty { outputs = answer.outputs.map { Output(name: $0.name, values: []) } }
    for (index, tensor) in answer.outputs.enumerated() {
      guard index < outputs.count, tensor.shape.first == rows, rows > 0 else {
        throw CommandError(
          "the model's answer", expected: "\(rows) rows in \(tensor.name)",
          came: "\(tensor.shape)")
      }
      let elements = try Self.elements(tensor)
      let width = elements.count / rows
      outputs[index].values += (0..<rows).map { Array(elements[$0 * width..<($0 + 1) * width]) }
    }
  }

  /// The output that says what the row is: its label, prediction or cluster.
  var principal: Output? {
    for name in ["label", "predictions", "cluster"] {
      if let output = outputs.first(where: { $0.name == name }) { return output }
    }
    return outputs.first
  }

  private static func elements(_ tensor: Tensor) throws -> [JSONValue] {
    switch tensor.dataType {
    case .fp32: try tensor.elements(of: Float.self).map { .number(Double($0)) }
    case .int32: try tensor.elements(of: Int32.self).map { .integer(Int64($0)) }
    case .int64: try tensor.elements(of: Int64.self).map { .integer($0) }
    case .bytes:
      try tensor.byteStrings().map { .string(String(decoding: $0, as: UTF8.self)) }
    default:
      throw CommandError(
        "output \(tensor.name)", expected: "FP32, INT32, INT64 or BYTES",
        came: "\(tensor.dataType)")
    }
  }
}

/// Answers beside the values that a column of the table says they should be.
enum TableScore {
  /// How many answers are the expected label.
  case accuracy(correct: Int, count: Int)
  /// Of a regression: the root of the mean squared error, and the share of variance explained.
  case regression(rmse: Double, r2: Double)

  init(_ answers: TableAnswers, expected: [String]) throws(CommandError) {
    guard let output = answers.principal, output.values.count == expected.count else {
      throw CommandError("the model's answer", expected: "\(expected.count) rows", came: "others")
    }
    let values = output.values.compactMap(\.first)
    if output.name == "predictions" {
      let pairs = zip(values, expected).compactMap { value, text -> (Double, Double)? in
        guard case .number(let number) = value, let target = Double(text) else { return nil }
        return (number, target)
      }
      guard pairs.count == expected.count, !pairs.isEmpty else {
        throw CommandError("--expect-column", expected: "a column of numbers", came: "other text")
      }
      let mean = pairs.reduce(0) { $0 + $1.1 } / Double(pairs.count)
      let error = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let spread = pairs.reduce(0) { $0 + ($1.1 - mean) * ($1.1 - mean) }
      self = .regression(
        rmse: (error / Double(pairs.count)).squareRoot(), r2: spread > 0 ? 1 - error / spread : 0)
      return
    }
    let correct = zip(values, expected).count { value, text in
      switch value {
      case .string(let label): label == text
      case .integer(let label): Int64(text) == label
      default: false
      }
    }
    self = .accuracy(correct: correct, count: expected.count)
  }

  var json: [(key: String, value: JSONValue)] {
    switch self {
    case .accuracy(let correct, let count):
      [
        (key: "correct", value: .integer(Int64(correct))),
        (key: "accuracy", value: .number(Double(correct) / Double(max(count, 1)))),
      ]
    case .regression(let rmse, let r2):
      [(key: "rmse", value: .number(rmse)), (key: "r2", value: .number(r2))]
    }
  }

  var lines: [String] {
    switch self {
    case .accuracy(let correct, let count):
      [
        "accuracy   \(Quantity.fixed(Double(correct) / Double(max(count, 1)), 4))  ("
          + "\(Quantity.grouped(correct)) of \(Quantity.grouped(count)))"
      ]
    case .regression(let rmse, let r2):
      ["rmse       \(Quantity.fixed(rmse, 4))", "r2         \(Quantity.fixed(r2, 4))"]
    }
  }
}
