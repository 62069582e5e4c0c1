// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Which tensors of a data set a table's columns lie in, and what their values mean.
///
/// Part of a model: what serving takes is what training was given.
struct TableSchema: Sendable, Hashable {
  /// One tensor: a named column, or a matrix of columns without names of their own.
  struct Source: Sendable, Hashable {
    /// The tensor's name without its split.
    var name: String
    /// The type in the data set.
    var datatype: DataType
    /// The shape of one row; empty for a named column.
    var shape: [Int]
    /// What the values mean; categories are known when the data are.
    var kind: Column.Kind

    /// How many columns it makes.
    var width: Int { shape.reduce(1, *) }
  }

  /// The tensors, in the order of the columns.
  var sources: [Source]

  /// How many columns there are.
  var columnCount: Int { sources.reduce(0) { $0 + $1.width } }

  /// What each column is called: `carat`, `images[3]`.
  var columnNames: [String] {
    sources.flatMap { source in
      source.shape.isEmpty
        ? [source.name] : (0..<source.width).map { "\(source.name)[\($0)]" }
    }
  }

  /// What each column's values mean.
  var kinds: [Column.Kind] {
    sources.flatMap { Array(repeating: $0.kind, count: $0.width) }
  }

  /// The split of the dictionaries.
  static let dictionarySplit = "categories"
  /// More columns than any table here has, and few enough for the memory of one row.
  static let maxColumns = 1 << 20
}

extension TableSchema {
  /// Chooses the features of a table.
  ///
  /// - Parameters:
  ///   - features: columns by name, in this order; nil for all of the split but the target.
  ///   - view: where the dictionaries are read from; nil when only the description is there, and
  ///     then categorical columns have no categories.
  /// - Throws: `.invalidArgument` about `configuration.features` or `configuration.target`.
  init(
    features: [String]?, target: String?, split: String = "train",
    in description: DataSetDescription, view: DataSetView? = nil
  ) throws(PluginError) {
    let prefix = split + "/"
    let available = description.tensors.filter { $0.name.hasPrefix(prefix) }
    guard !available.isEmpty else {
      throw PluginError(
        field: "dataset", "expected tensors \(prefix)…, came \(Self.names(description.tensors))")
    }
    if let target { _ = try Self.target(target, split: split, in: description) }
    var chosen: [(TensorSpecification, field: String)] = []
    if let features {
      for (index, name) in features.enumerated() {
        let field = "configuration.features[\(index)]"
        guard let tensor = available.first(where: { $0.name == prefix + name }) else {
          throw PluginError(
            field: field,
            "expected a column of \(prefix), came \"\(name)\"; it has"
              + " \(Self.names(available))")
        }
        guard name != target else {
          throw PluginError(field: field, "\"\(name)\" is the target, which is no feature")
        }
        guard !features[..<index].contains(name) else {
          throw PluginError(field: field, "expected each column once, came \"\(name)\" again")
        }
        chosen.append((tensor, field))
      }
    } else {
      chosen = available.filter { $0.name != prefix + (target ?? "") }
        .map { ($0, "configuration.features") }
    }
    guard !chosen.isEmpty else {
      throw PluginError(
        field: "configuration.features", "expected a column beside the target, came none")
    }
    sources = []
    for (tensor, field) in chosen {
      sources.append(try Self.source(tensor, prefix: prefix, field, description, view))
    }
    guard let count = Extents.sum(sources.map(\.width)), count <= Self.maxColumns else {
      throw PluginError(
        field: "configuration.features", "expected at most \(Self.maxColumns) columns, came more")
    }
  }

  /// The description of the target.
  ///
  /// - Throws: `.invalidArgument` about `configuration.target` when there is no such column, or
  ///   when it has more than one value for a row.
  static func target(
    _ name: String, split: String, in description: DataSetDescription
  ) throws(PluginError) -> TensorSpecification {
    guard let tensor = description["\(split)/\(name)"] else {
      let available = description.tensors.filter { $0.name.hasPrefix(split + "/") }
      throw PluginError(
        field: "configuration.target",
        "expected a column of \(split)/, came \"\(name)\"; it has \(names(available))")
    }
    guard Extents.product(tensor.shape.dropFirst()) == 1 else {
      throw PluginError(
        field: "configuration.target",
        "expected one value for each row in \(tensor.name), came shape \(tensor.shape)")
    }
    return tensor
  }

  /// The sorted categories of a column; nil when it is not categorical.
  ///
  /// - Throws: `.invalidArgument` for a dictionary that is no JSON list of strings.
  static func categories(
    of name: String, in view: DataSetView
  ) throws(PluginError) -> [String]? {
    let tensor = "\(dictionarySplit)/\(name)"
    guard let bytes = view.bytes(of: tensor) else { return nil }
    let field = "dataset[\"\(tensor)\"]"
    let json = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self), name: field)
    guard case .array(let elements) = json else {
      throw PluginError(field: field, "expected a list of strings, came \(json.excerpt)")
    }
    var categories: [String] = []
    for element in elements {
      guard case .string(let category) = element else {
        throw PluginError(field: field, "expected strings, came \(element.excerpt)")
      }
      categories.append(category)
    }
    return categories
  }

  private static func source(
    _ tensor: TensorSpecification, prefix: String, _ field: String,
    _ description: DataSetDescription, _ view: DataSetView?
  ) throws(PluginError) -> Source {
    let name = String(tensor.name.dropFirst(prefix.count))
    guard TableElements.isNumeric(tensor.datatype) else {
      throw PluginError(
        field: field, "expected numbers in column \(name), came \(tensor.datatype.rawValue)")
    }
    let shape = Array(tensor.shape.dropFirst())
    guard let width = Extents.product(shape), (1...maxColumns).contains(width) else {
      throw PluginError(
        field: field,
        "expected 1...\(maxColumns) values for each row in \(name), came shape \(tensor.shape)")
    }
    var kind = Column.Kind.number
    if shape.isEmpty, TableElements.isInteger(tensor.datatype) {
      kind = .integer
      if description["\(dictionarySplit)/\(name)"] != nil {
        kind = .categorical(
          try view.map { view throws(PluginError) in
            try categories(of: name, in: view) ?? []
          } ?? [])
      }
    }
    return Source(name: name, datatype: tensor.datatype, shape: shape, kind: kind)
  }

  private static func names(_ tensors: [TensorSpecification]) -> String {
    let names = tensors.prefix(24).map(\.name).joined(separator: ", ")
    return names.isEmpty ? "none" : names + (tensors.count > 24 ? ", …" : "")
  }
}

extension Extents {
  /// The sum, nil when it overflows.
  static func sum(_ extents: some Sequence<Int>) -> Int? {
    var sum = 0
    for extent in extents {
      let (next, overflow) = sum.addingReportingOverflow(extent)
      guard !overflow else { return nil }
      sum = next
    }
    return sum
  }
}
