// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a family of trees learns from: the schema, the coded features, the target.
struct TreeData {
  /// A target that was read.
  enum Target {
    case classes(ClassLabels)
    case numbers([Float])
  }

  let schema: TableSchema
  let table: CodedTable
  let target: Target
  let targetName: String

  /// Reads the training split.
  ///
  /// - Throws: as `CodedTable.init`, `ClassLabels.init` and `NumericTarget.read`.
  init(
    _ configuration: TableConfiguration, task: TreeTask, dataset: DataSetView, maxBins: Int,
    isExact: Bool, orders: CodedTable.Orders, seed: UInt64, workers: WorkerPool,
    kernels: TreeKernels
  ) throws(PluginError) {
    targetName = configuration.target ?? ""
    schema = try TableSchema(
      features: configuration.features, target: targetName, in: dataset.description, view: dataset)
    // The target first: it is read in a moment, and what is wrong with it saves the coding.
    target = try Self.target(targetName, task, split: "train", in: dataset, known: nil)
    table = try CodedTable(
      schema, split: "train", in: dataset, maxBins: maxBins, isExact: isExact, orders: orders,
      seed: seed, workers: workers, kernels: kernels)
    guard (0..<table.columnCount).contains(where: { table.bins[$0].count > 1 }) else {
      throw PluginError(
        field: "configuration.features",
        "expected a column with two values or more, but every column is constant")
    }
  }

  /// The classes; nil for a regression.
  var classes: ClassLabels? {
    if case .classes(let labels) = target { labels } else { nil }
  }

  static func target(
    _ name: String, _ task: TreeTask, split: String, in dataset: DataSetView, known: ClassNames?
  ) throws(PluginError) -> Target {
    switch task {
    case .classification:
      .classes(try ClassLabels(target: name, split: split, in: dataset, known: known))
    case .regression: .numbers(try NumericTarget.read(target: name, split: split, in: dataset))
    }
  }
}

extension TreeSettings.ClassWeight {
  /// A weight for each class.
  ///
  /// - Throws: `.invalidArgument` for a class that the target does not have.
  func weights(for labels: ClassLabels) throws(PluginError) -> [Double] {
    switch self {
    case .none: return labels.names.texts.map { _ in 1 }
    case .balanced:
      let classes = Double(labels.names.count)
      return labels.counts.map { Double(labels.codes.count) / (classes * Double(max($0, 1))) }
    case .given(let weights):
      let names = labels.names.texts
      for name in weights.keys.sorted() where !names.contains(name) {
        throw PluginError(
          field: "configuration.class_weight.\(name.prefix(64))",
          "expected a class of the target, which has"
            + " \(names.prefix(24).joined(separator: ", "))\(names.count > 24 ? ", …" : "")")
      }
      return names.map { weights[$0] ?? 1 }
    }
  }
}
