// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The features of a split, column by column.
struct Table: Sendable {
  /// How many rows every column has.
  let rows: Int
  /// The columns, in the order of the schema.
  let columns: [Column]

  /// Reads the columns of a schema from a split.
  ///
  /// - Throws: `.notFound` when the data set has no such split, `.failedPrecondition` when it has no
  ///   rows, `.invalidArgument` about a column that is not there, has another type or shape than in
  ///   training, or holds a code outside of its dictionary.
  init(_ schema: TableSchema, split: String, in view: DataSetView) throws(PluginError) {
    let sources = try TableSource.all(of: schema, split: split, in: view)
    let rows = sources[0].rows
    var columns: [Column] = []
    for source in sources {
      for index in 0..<source.width {
        let values = [Float](unsafeUninitializedCapacity: rows) { buffer, count in
          if let base = buffer.baseAddress { source.readColumn(index, into: base) }
          count = rows
        }
        let name =
          source.schema.shape.isEmpty ? source.schema.name : "\(source.schema.name)[\(index)]"
        columns.append(Column(name: name, kind: source.schema.kind, values: values))
      }
    }
    self.rows = rows
    self.columns = columns
  }
}

/// One tensor of a table with its bytes, checked against the schema.
struct TableSource {
  let schema: TableSchema.Source
  let rows: Int
  let bytes: UnsafeRawBufferPointer
  /// What the split's tensor has; may differ from the schema's in the width of its integers.
  let datatype: DataType

  var width: Int { schema.width }

  /// Finds every tensor of a schema in a split.
  static func all(
    of schema: TableSchema, split: String, in view: DataSetView
  ) throws(PluginError) -> [TableSource] {
    guard view.description.tensors.contains(where: { $0.name.hasPrefix(split + "/") }) else {
      throw PluginError(.notFound, "the data set has no split \(split)")
    }
    var sources: [TableSource] = []
    for source in schema.sources {
      sources.append(try TableSource(source, split: split, in: view))
    }
    return sources
  }

  private init(
    _ schema: TableSchema.Source, split: String, in view: DataSetView
  ) throws(PluginError) {
    let name = "\(split)/\(schema.name)"
    let field = "dataset[\"\(name)\"]"
    guard let tensor = view.description[name], let bytes = view.bytes(of: name) else {
      throw PluginError(field: field, "expected column \(schema.name), which is missing")
    }
    guard Array(tensor.shape.dropFirst()) == schema.shape,
      tensor.datatype == schema.datatype
    else {
      throw PluginError(
        field: field,
        "expected \(schema.datatype.rawValue) \(schema.shape) for each row of column"
          + " \(schema.name), came \(tensor.datatype.rawValue) \(tensor.shape.dropFirst())")
    }
    guard let rows = tensor.shape.first, rows >= 1 else {
      throw PluginError(.failedPrecondition, "the data set has no rows in \(split)")
    }
    self.schema = schema
    self.rows = rows
    self.bytes = bytes
    datatype = tensor.datatype
    if case .categorical(let categories) = schema.kind { try checkCodes(categories.count, field) }
  }

  /// Copies one column; a missing category is NaN.
  func readColumn(_ index: Int, into values: UnsafeMutablePointer<Float>, stride: Int = 1) {
    TableElements.read(
      bytes, datatype, first: index, stride: width, count: rows, into: values,
      destinationStride: stride)
    if case .categorical = schema.kind {
      for row in 0..<rows where values[row * stride] < 0 { values[row * stride] = .nan }
    }
  }

  private func checkCodes(_ count: Int, _ field: String) throws(PluginError) {
    guard let codes = TableElements.integers(bytes, datatype, count: rows) else {
      throw PluginError(field: field, "expected codes that fit in 64 bits")
    }
    if let row = codes.firstIndex(where: { !(-1..<Int64(count)).contains($0) }) {
      throw PluginError(
        field: field,
        "expected codes in -1..<\(count), as \(TableSchema.dictionarySplit)/\(schema.name) has"
          + " categories, came \(codes[row]) in row \(row)")
    }
  }
}
