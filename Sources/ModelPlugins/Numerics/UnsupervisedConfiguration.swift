// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The matrix that a family without a target learns from.
struct UnsupervisedData {
  let encoding: FeatureEncoding
  let x: FeatureMatrix

  /// Reads the split `train`.
  ///
  /// - Throws: as `FeatureMatrix.init`; `.invalidArgument` about a categorical column, between whose
  ///   values there is no distance.
  init(
    _ table: TableConfiguration, _ scaling: InputScaling, in dataset: DataSetView
  ) throws(PluginError) {
    let schema = try Self.schema(table, in: dataset.description, view: dataset)
    encoding = FeatureEncoding(schema: schema, scale: scaling.scale, offset: scaling.offset)
    x = try FeatureMatrix(encoding, split: "train", in: dataset)
  }

  /// Chooses the columns by their types alone.
  static func schema(
    _ table: TableConfiguration, in description: DataSetDescription, view: DataSetView? = nil
  ) throws(PluginError) -> TableSchema {
    let schema = try TableSchema(
      features: table.features, target: nil, in: description, view: view)
    for source in schema.sources {
      guard case .categorical = source.kind else { continue }
      throw PluginError(
        field: "configuration.features",
        "expected numbers, but column \(source.name) has categories; leave it out")
    }
    return schema
  }
}
