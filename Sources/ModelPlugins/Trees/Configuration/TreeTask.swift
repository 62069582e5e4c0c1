// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What trees predict.
enum TreeTask: String, Sendable, Hashable, CaseIterable {
  case classification
  case regression

  /// The task that a target's type suggests: classes for categories and integers, else numbers.
  static func natural(
    for target: String, in description: DataSetDescription
  ) throws(PluginError) -> TreeTask {
    let tensor = try TableSchema.target(target, split: "train", in: description)
    return TableElements.isInteger(tensor.datatype) ? .classification : .regression
  }

  /// Checks that the target fits.
  func check(target: String, in description: DataSetDescription) throws(PluginError) {
    switch self {
    case .classification: try ClassLabels.check(target: target, in: description)
    case .regression: try NumericTarget.check(target: target, in: description)
    }
  }
}
