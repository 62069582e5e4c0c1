// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a classifier tells apart: the sorted distinct values of a target column.
enum ClassNames: Sendable, Hashable {
  /// Of a column of integers.
  case integers([Int64])
  /// Of a categorical column.
  case strings([String])

  /// How many there are.
  var count: Int {
    switch self {
    case .integers(let values): values.count
    case .strings(let names): names.count
    }
  }

  /// Each class as text.
  var texts: [String] {
    switch self {
    case .integers(let values): values.map(String.init)
    case .strings(let names): names
    }
  }

  /// The classes as `model.json` keeps them: a list of integers or of strings.
  var json: JSONValue {
    switch self {
    case .integers(let values): .array(values.map { .integer(Int($0)) })
    case .strings(let names): .strings(names)
    }
  }

  /// Reads what `json` wrote.
  init(_ json: JSONValue?, path: String) throws(PluginError) {
    guard case .array(let elements)? = json, !elements.isEmpty else {
      throw PluginError(
        field: path, "expected a list of classes, came \(json?.excerpt ?? "nothing")")
    }
    let names = elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
    let integers = elements.compactMap { element -> Int64? in
      if case .number(_, let text) = element { Int64(text) } else { nil }
    }
    if names.count == elements.count {
      self = .strings(names)
    } else if integers.count == elements.count {
      self = .integers(integers)
    } else {
      throw PluginError(field: path, "expected integers or strings, came a mixture")
    }
  }
}

/// The target of a classifier: a class for every row.
struct ClassLabels: Sendable {
  /// More classes than this are a regression in disguise.
  static let maxClasses = 4096

  /// The classes; `codes` index into them.
  let names: ClassNames
  /// One for each row, in `0..<names.count`.
  let codes: [Int32]

  /// Checks the type of a target without reading it.
  ///
  /// - Throws: `.invalidArgument` about `configuration.target`.
  static func check(
    target name: String, split: String = "train", in description: DataSetDescription
  ) throws(PluginError) {
    let tensor = try TableSchema.target(name, split: split, in: description)
    guard TableElements.isInteger(tensor.datatype) else {
      throw PluginError(
        field: "configuration.target",
        "a classifier expects integers or categories in column \(name), came"
          + " \(tensor.datatype.rawValue)")
    }
  }

  /// Reads a target column.
  ///
  /// - Parameter known: the classes of training, for another split; nil finds them.
  /// - Throws: `.invalidArgument` about `configuration.target` for a missing value, one class only,
  ///   too many, or one that training did not have; `.notFound` when there is no such split.
  init(
    target name: String, split: String, in view: DataSetView, known: ClassNames? = nil
  ) throws(PluginError) {
    let field = "configuration.target"
    let values = try Self.values(name, split, view, field)
    if let categories = try TableSchema.categories(of: name, in: view) {
      let names: ClassNames
      if let known {
        names = known
      } else {
        names = .strings(try Self.present(categories, values, name, field))
      }
      guard case .strings(let strings) = names else {
        throw PluginError(field: field, "column \(name) had integers in training, not categories")
      }
      let indices = Dictionary(uniqueKeysWithValues: zip(strings, Int32(0)...))
      // A code as a class, -1 for a category that is none.
      let classes = categories.map { indices[$0] ?? -1 }
      var codes: [Int32] = []
      codes.reserveCapacity(values.count)
      for (row, value) in values.enumerated() {
        guard classes.indices.contains(Int(value)), classes[Int(value)] >= 0 else {
          throw PluginError(
            field: field,
            value < 0
              ? "column \(name) has no value in row \(row) of \(split)"
              : "row \(row) of \(split)/\(name) has a class that training did not have")
        }
        codes.append(classes[Int(value)])
      }
      self.names = names
      self.codes = codes
    } else {
      let names = known ?? .integers(Set(values).sorted())
      guard case .integers(let integers) = names else {
        throw PluginError(field: field, "column \(name) had categories in training, not integers")
      }
      guard known != nil || integers.count <= Self.maxClasses else {
        throw PluginError(
          field: field,
          "expected at most \(Self.maxClasses) classes in column \(name), came \(integers.count)")
      }
      let indices = Dictionary(uniqueKeysWithValues: zip(integers, Int32(0)...))
      var codes: [Int32] = []
      codes.reserveCapacity(values.count)
      for (row, value) in values.enumerated() {
        guard let code = indices[value] else {
          throw PluginError(
            field: field,
            "row \(row) of \(split)/\(name) has label \(value), which training did not have")
        }
        codes.append(code)
      }
      self.names = names
      self.codes = codes
    }
    guard self.names.count >= 2 else {
      throw PluginError(
        field: field,
        "expected two classes or more in column \(name), came only"
          + " \(self.names.texts.joined())")
    }
  }

  /// How many rows each class has.
  var counts: [Int] {
    var counts = [Int](repeating: 0, count: names.count)
    for code in codes { counts[Int(code)] += 1 }
    return counts
  }

  private static func values(
    _ name: String, _ split: String, _ view: DataSetView, _ field: String
  ) throws(PluginError) -> [Int64] {
    guard view.description.tensors.contains(where: { $0.name.hasPrefix(split + "/") }) else {
      throw PluginError(.notFound, "the data set has no split \(split)")
    }
    try check(target: name, split: split, in: view.description)
    let tensor = try TableSchema.target(name, split: split, in: view.description)
    guard let rows = tensor.shape.first, rows >= 1, let bytes = view.bytes(of: tensor.name) else {
      throw PluginError(.failedPrecondition, "the data set has no rows in \(split)")
    }
    guard let values = TableElements.integers(bytes, tensor.datatype, count: rows) else {
      throw PluginError(field: field, "expected labels that fit in 64 bits in column \(name)")
    }
    return values
  }

  /// The categories that occur; one that no row has is no class.
  private static func present(
    _ categories: [String], _ values: [Int64], _ name: String, _ field: String
  ) throws(PluginError) -> [String] {
    var occurs = [Bool](repeating: false, count: categories.count)
    for value in values where value >= 0 {
      guard value < categories.count else {
        throw PluginError(
          field: field, "expected codes below \(categories.count) in column \(name), came \(value)")
      }
      occurs[Int(value)] = true
    }
    let present = zip(categories, occurs).filter(\.1).map(\.0)
    guard present.count <= maxClasses else {
      throw PluginError(
        field: field,
        "expected at most \(maxClasses) classes in column \(name), came \(present.count)")
    }
    return present
  }
}

/// The target of a regression.
enum NumericTarget {
  /// Checks the type of a target without reading it.
  ///
  /// - Throws: `.invalidArgument` about `configuration.target`.
  static func check(
    target name: String, split: String = "train", in description: DataSetDescription
  ) throws(PluginError) {
    let tensor = try TableSchema.target(name, split: split, in: description)
    guard TableElements.isNumeric(tensor.datatype) else {
      throw PluginError(
        field: "configuration.target",
        "a regression expects numbers in column \(name), came \(tensor.datatype.rawValue)")
    }
    guard description["\(TableSchema.dictionarySplit)/\(name)"] == nil else {
      throw PluginError(
        field: "configuration.target",
        "a regression expects numbers in column \(name), which has categories")
    }
  }

  /// Reads a target column.
  ///
  /// - Throws: `.invalidArgument` about `configuration.target` for a value that is missing or not
  ///   finite, `.notFound` when there is no such split.
  static func read(
    target name: String, split: String, in view: DataSetView
  ) throws(PluginError) -> [Float] {
    guard view.description.tensors.contains(where: { $0.name.hasPrefix(split + "/") }) else {
      throw PluginError(.notFound, "the data set has no split \(split)")
    }
    try check(target: name, split: split, in: view.description)
    let tensor = try TableSchema.target(name, split: split, in: view.description)
    guard let rows = tensor.shape.first, rows >= 1, let bytes = view.bytes(of: tensor.name) else {
      throw PluginError(.failedPrecondition, "the data set has no rows in \(split)")
    }
    var values = [Float](repeating: 0, count: rows)
    values.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress {
        TableElements.read(bytes, tensor.datatype, count: rows, into: base)
      }
    }
    if let row = values.firstIndex(where: { !$0.isFinite }) {
      throw PluginError(
        field: "configuration.target",
        "expected finite numbers in column \(name), came \(values[row]) in row \(row) of \(split)")
    }
    return values
  }
}
