// SPDX-License-Identifier: Apache-2.0
import Runtime

@testable import ModelPlugins

/// Data sets of columns, written out in tests.
struct TableData {
  private var tensors: [(specification: TensorSpecification, bytes: [UInt8])] = []

  /// Adds a column, or a matrix where `shape` gives a row's extents.
  mutating func add<Element: TensorElement>(
    _ name: String, _ values: [Element], row shape: [Int] = []
  ) {
    let width = shape.reduce(1, *)
    tensors.append(
      (
        TensorSpecification(
          name: name, datatype: Element.datatype, shape: [values.count / max(width, 1)] + shape),
        values.withUnsafeBytes { Array($0) }
      ))
  }

  /// Adds a categorical column with its dictionary; an empty text is a missing value.
  mutating func add(_ name: String, categories texts: [String], dictionary: [String]? = nil) {
    let dictionary = dictionary ?? Set(texts).subtracting([""]).sorted()
    add(name, texts.map { Int32(dictionary.firstIndex(of: $0) ?? -1) })
    let column = name.split(separator: "/").last.map(String.init) ?? name
    guard !tensors.contains(where: { $0.specification.name == "categories/\(column)" }) else {
      return
    }
    add("categories/\(column)", Array(JSONValue.strings(dictionary).text.utf8))
  }

  /// The data set.
  func view() throws -> DataSetView { try SyntheticData.view(tensors) }
}

/// The error that `body` throws, nil when it throws none.
func pluginError(_ body: () throws -> Void) -> PluginError? {
  do {
    try body()
    return nil
  } catch {
    return error as? PluginError
  }
}
