// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Trees that answer: `probabilities` and `label`, or `predictions`.
final class TreeModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let memoryByteCount: Int
  /// A forest takes longer than a hand-over between threads.
  let executesInline = false

  private let description: TreeModelDescription
  private let ensemble: TreeEnsemble
  private let interface: TableInterface
  private let classifier: ClassifierOutputs?
  private let workers: WorkerPool
  private let kernels: TreeKernels

  init(
    _ description: TreeModelDescription, _ ensemble: TreeEnsemble, workers: WorkerPool,
    instructionSet: InstructionSet
  ) {
    self.description = description
    self.ensemble = ensemble
    self.workers = workers
    kernels = TreeKernels(instructionSet)
    interface = TableInterface(description.schema)
    classifier = description.classes.map { ClassifierOutputs(names: $0) }
    inputs = interface.inputs
    outputs =
      classifier?.specifications
      ?? [TensorSpecification(name: "predictions", datatype: .fp32, shape: [1])]
    maxBatchSize = description.maxBatchSize
    memoryByteCount = ensemble.byteCount
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let count = execution.batchSize
    try interface.withRows(of: execution) { rows throws(PluginError) in
      let write = { (answers: UnsafeMutablePointer<Float>) in
        self.ensemble.answer(
          rows, count: count, as: self.description.answer, workers: self.workers,
          kernels: self.kernels, into: answers)
      }
      if let classifier {
        try classifier.write(to: execution, write)
      } else {
        try execution.fillFloats(0, shape: [count, 1], write)
      }
    }
  }
}

/// The member `model` of a tree family's `model.json`.
struct TreeModelDescription: Sendable {
  var schema: TableSchema
  var target: String
  /// nil for a regression.
  var classes: ClassNames?
  var answer: TreeAnswer
  var maxBatchSize: Int

  /// Which columns are categorical.
  var isCategorical: [Bool] {
    schema.kinds.map { if case .categorical = $0 { true } else { false } }
  }

  /// Values of a leaf.
  var leafWidth: Int {
    if case .meanProbabilities = answer { classes?.count ?? 1 } else { 1 }
  }

  private enum AnswerName: String, CaseIterable {
    case meanProbabilities = "mean_probabilities"
    case mean, softmax, logistic, sum
  }

  /// The member.
  var json: JSONValue {
    let name: AnswerName
    var start: [Double] = []
    switch answer {
    case .meanProbabilities: name = .meanProbabilities
    case .mean: name = .mean
    case .softmax(let values): (name, start) = (.softmax, values)
    case .logistic(let value): (name, start) = (.logistic, [value])
    case .sum(let value): (name, start) = (.sum, [value])
    }
    return [
      "features": schema.json, "target": .string(target),
      "classes": classes?.json ?? .null, "answer": .string(name.rawValue),
      "start": .numbers(start), "max_batch_size": .integer(maxBatchSize),
    ]
  }

  init(
    schema: TableSchema, target: String, classes: ClassNames?, answer: TreeAnswer,
    maxBatchSize: Int
  ) {
    self.schema = schema
    self.target = target
    self.classes = classes
    self.answer = answer
    self.maxBatchSize = maxBatchSize
  }

  /// Reads what `json` wrote.
  ///
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  init(_ json: JSONValue, path: String) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: path,
      keys: ["features", "target", "classes", "answer", "start", "max_batch_size"], list: list)
    schema = try TableSchema(fields["features"], path: fields.field("features"))
    target = fields.name("target", default: "")
    maxBatchSize = fields.integer("max_batch_size", 1...4096)
    let name = fields.choice("answer", of: AnswerName.self)
    var start: [Double] = []
    if case .array(let elements)? = fields["start"] {
      start = elements.compactMap { if case .number(let value, _) = $0 { value } else { nil } }
    }
    try list.check()
    classes =
      fields["classes"] == nil || fields["classes"] == .null
      ? nil : try ClassNames(fields["classes"], path: fields.field("classes"))
    let count = classes?.count
    switch (name, count) {
    case (.meanProbabilities?, .some): answer = .meanProbabilities
    case (.mean?, nil): answer = .mean
    case (.softmax?, .some(let count)) where start.count == count: answer = .softmax(start: start)
    case (.logistic?, 2) where start.count == 1: answer = .logistic(start: start[0])
    case (.sum?, nil) where start.count == 1: answer = .sum(start: start[0])
    default:
      throw PluginError(
        field: fields.field("answer"),
        "\"\(name?.rawValue ?? "")\" does not fit \(count.map { "\($0) classes" } ?? "a regression")"
          + " and \(start.count) starting values")
    }
    for (column, kind) in schema.kinds.enumerated() {
      if case .categorical(let names) = kind, names.count > ColumnBins.maxBins {
        throw PluginError(
          field: fields.field("features"),
          "expected at most \(ColumnBins.maxBins) categories in column \(column), came"
            + " \(names.count)")
      }
    }
  }
}
