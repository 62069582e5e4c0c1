// SPDX-License-Identifier: Apache-2.0
internal import MassifClient

/// Makes requests of a table's rows for a model that takes named columns.
struct TableRequests {
  let count: Int
  private let table: TextColumns
  private let inputs: [(metadata: ModelMetadata.TensorMetadata, columns: [Int])]

  /// Finds the columns that each input needs: by the input's name, and by all columns but
  /// `expected` where the only input is a matrix.
  init(
    _ table: TextColumns, for model: ModelMetadata, expected: String?, limit: Int?
  ) throws(CommandError) {
    let names = try NamedColumns.names(table)
    var inputs: [(metadata: ModelMetadata.TensorMetadata, columns: [Int])] = []
    for input in model.inputs {
      guard let width = ImportedTensor.elementCount(input.shape.dropFirst()),
        input.shape.first.map({ $0 < 0 }) == true
      else {
        throw CommandError(
          model.name, field: "inputs.\(input.name)", expected: "a model that takes batches of rows",
          came: "\(input.shape)")
      }
      if let column = names.firstIndex(of: input.name), width == 1 {
        inputs.append((input, [column]))
        continue
      }
      let others = names.indices.filter {
        names[$0] != expected && table.columns[$0].name != expected
      }
      guard model.inputs.count == 1, others.count == width else {
        throw CommandError(
          table.path, field: "header", expected: "a column \"\(input.name)\", as the model takes",
          came: table.columns.prefix(20).map(\.name).joined(separator: ", "))
      }
      inputs.append((input, others))
    }
    self.table = table
    self.inputs = inputs
    count = min(table.rows, limit ?? table.rows)
  }

  /// The request for a range of rows.
  func tensors(_ rows: Range<Int>) throws -> [Tensor] {
    try inputs.map { input, columns in
      let shape = [rows.count] + input.shape.dropFirst()
      let texts = rows.flatMap { row in
        columns.map { (text: table.columns[$0].texts[row].trimmingSpaces, row: row, column: $0) }
      }
      switch input.dataType {
      case .bytes:
        // An empty string is no category, which is what missing means.
        return try Tensor(
          input.name, shape: shape,
          texts.map { NamedColumns.missing.contains($0.text) ? [] : Array($0.text.utf8) })
      case .int64:
        return try Tensor(
          input.name, shape: shape, try texts.map { try value($0, Int64($0.text), "an integer") })
      case .uint8:
        return try Tensor(
          input.name, shape: shape,
          try texts.map { try value($0, UInt8($0.text), "an integer in 0...255") })
      case .fp32:
        return try Tensor(
          input.name, shape: shape,
          try texts.map {
            NamedColumns.missing.contains($0.text)
              ? .nan : try value($0, Float($0.text), "a number")
          })
      default:
        throw CommandError(
          "input \(input.name)", expected: "FP32, INT64, UINT8 or BYTES",
          came: "\(input.dataType)")
      }
    }
  }

  private func value<Value>(
    _ cell: (text: String, row: Int, column: Int), _ value: Value?, _ expected: String
  ) throws(CommandError) -> Value {
    guard let value else {
      throw CommandError(
        table.path, field: "row \(cell.row + 1), column \(table.columns[cell.column].name)",
        expected: expected, came: "\"\(cell.text.prefix(40))\"")
    }
    return value
  }
}
